"""What a look at a folder leaves behind: links to the clips that are kept, their captions, and a report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from apps.v2a.curation.activity import CATEGORIES
from apps.v2a.curation.selection import Verdict
from foundation.data.folder.planning import aligned
from shared.console import printable
from shared.errors import InputError
from shared.media.files import check_writable, refusal, replacing

CLIPS, LISTING, REPORT = "clips", "captions.jsonl", "report.jsonl"
"""A folder that training reads, its listing, and, beside it, a line of JSON for every file that was looked at."""


def check_place(place: Path) -> None:
    """Refuse a place where the results cannot stand, before the work begins.

    Raises:
        InputError: it takes no files, or holds clips that are no links.
        ResourceError: the disk is full.
    """
    check_writable(place)
    for file in (place / CLIPS).rglob("*"):
        if not (file.is_symlink() or file.is_dir() or file.name == LISTING):
            raise InputError(
                f"out: {file} is no link of ours, and would be trained on: choose another folder"
            )


def write(place: Path, verdicts: Sequence[Verdict]) -> Path:
    """Write the report, the links and the listing; links to clips that are kept no more disappear.

    Returns:
        The folder that training reads.

    Raises:
        InputError: the place takes no files.
        ResourceError: the disk is full.
    """
    _write_lines(place / REPORT, (_reported(verdict) for verdict in verdicts))
    kept = {verdict.name: verdict for verdict in verdicts if verdict.reason is None}
    folder = place / CLIPS
    try:
        _link(folder, {name: verdict.path.resolve() for name, verdict in kept.items() if verdict.path})
    except OSError as error:
        raise refusal(error, folder) from error
    _write_lines(
        folder / LISTING, ({"file": name, "captions": verdict.captions} for name, verdict in kept.items())
    )
    return folder


def table(verdicts: Sequence[Verdict]) -> list[str]:
    """Lines for people: what is kept of each class, and every file that is left out with its reason."""
    kept = [verdict for verdict in verdicts if verdict.reason is None]
    left = [verdict for verdict in verdicts if verdict.reason is not None]
    rows = [("class", "clips", "seconds", "consistency")]
    for category in CATEGORIES:
        row = _row([verdict for verdict in kept if verdict.heard and verdict.heard.category == category])
        rows += [(category, *row)]
    lines = aligned(rows)
    if left:
        lines.append(f"left out: {len(left)}")
        lines += aligned([(f"  {verdict.name}", verdict.reason or "") for verdict in left])
    return [printable(line) for line in lines]


def _row(verdicts: Sequence[Verdict]) -> tuple[str, str, str]:
    scores = [verdict.consistency for verdict in verdicts if verdict.consistency is not None]
    mean = f"{sum(scores) / len(scores):.2f}" if scores else "-"
    return str(len(verdicts)), f"{sum(v.heard.seconds for v in verdicts if v.heard):.0f}", mean


def _reported(verdict: Verdict) -> dict[str, object]:
    line: dict[str, object] = {"file": verdict.name, "kept": verdict.reason is None}
    if verdict.reason is not None:
        line["reason"] = verdict.reason
    if verdict.heard is not None:
        heard = verdict.heard
        line |= {"class": heard.category, "seconds": heard.seconds, "silence": heard.silence, **heard.spans}
    if verdict.consistency is not None:
        line["consistency"] = verdict.consistency
    if verdict.captions:
        line["captions"] = verdict.captions
    return line


def _link(folder: Path, targets: dict[str, Path]) -> None:
    """Make a folder hold links to these files, by name, and no others."""
    for file in folder.rglob("*"):
        if file.is_symlink() and targets.get(file.relative_to(folder).as_posix()) != file.readlink():
            file.unlink()
    for name, target in targets.items():
        link = folder / name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(target)


def _write_lines(path: Path, lines: Iterable[dict[str, object]]) -> None:
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for line in lines:
            file.write(f"{json.dumps(line, ensure_ascii=False)}\n")
