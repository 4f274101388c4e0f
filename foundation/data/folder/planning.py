"""Which of a folder's files are trained on, in which bucket; and what to tell people about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from foundation.data.folder.buckets import Bucket, ClipSettings, bucket_of
from foundation.data.folder.folder import Folder, Item, Rejected
from shared.console import printable
from shared.errors import InputError

SLOWER = 0.98
"""A clip whose rate is below this part of the target has frames that come twice."""

HEAD = ("bucket", "clips", "captions", "frames kept", "rate")


@dataclass(frozen=True)
class Plan:
    """Buckets, longest first, each with its items sorted by name; and what is left out."""

    folder: Folder
    settings: ClipSettings
    buckets: dict[Bucket, tuple[Item, ...]]
    rejected: tuple[Rejected, ...]

    def check_usable(self) -> None:
        """Refuse a folder that leaves nothing to train on.

        Raises:
            InputError: it is empty, or every file in it is rejected.
        """
        if not self.buckets:
            why = "every file in it is rejected" if self.rejected else "there is no clip or picture in it"
            raise InputError(f"{self.folder.root} holds nothing to train on: {why}")


def plan(
    folder: Folder, settings: ClipSettings, check: Callable[[Item, Bucket], None] = lambda item, bucket: None
) -> Plan:
    """Sort a folder's items into buckets.

    Args:
        folder: as it was read.
        settings: what the model is trained at.
        check: refuses an item with an `InputError`, for what only the model knows.
    """
    buckets: dict[Bucket, list[Item]] = {}
    rejected = list(folder.rejected)
    for item in folder.items:
        try:
            bucket = bucket_of(item.medium, settings)
            check(item, bucket)
            buckets.setdefault(bucket, []).append(item)
        except InputError as error:
            rejected.append(Rejected(item.name, str(error)))
    return Plan(
        folder,
        settings,
        {bucket: tuple(buckets[bucket]) for bucket in sorted(buckets, reverse=True)},
        tuple(sorted(rejected, key=lambda one: one.name)),
    )


def overview(planned: Plan) -> list[str]:
    """Lines for people: a table with a row per bucket, and every rejected file with its reason."""
    rows = [_row(bucket, items, planned.settings.fps) for bucket, items in planned.buckets.items()]
    lines = aligned([HEAD, *rows]) if rows else []
    used = [item for items in planned.buckets.values() for item in items]
    slow = sum(0 < item.medium.fps < SLOWER * planned.settings.fps for item in used)
    if slow:
        lines.append(
            f"{slow} of them slower than {planned.settings.fps:g} fps: some of their frames come twice"
        )
    if planned.rejected:
        lines.append(f"rejected: {len(planned.rejected)}")
        lines += aligned([(f"  {one.name}", one.reason) for one in planned.rejected])
    return [printable(line) for line in lines]


def listing(planned: Plan) -> list[str]:
    """Lines for people: every file that is used, with its bucket, frames and rate."""
    rows = []
    for bucket, items in planned.buckets.items():
        for item in items:
            name, _, _, kept, rate = _row(bucket, [item], planned.settings.fps)
            rows.append((item.name, name, kept, rate))
    return [printable(line) for line in aligned(rows)] if rows else []


def _row(bucket: Bucket, items: Sequence[Item], fps: float) -> tuple[str, str, str, str, str]:
    size = f"{bucket.width}x{bucket.height}"
    count, captions = str(len(items)), str(sum(len(item.captions) for item in items))
    films = [item.medium for item in items if not item.medium.still]
    if not films:
        return f"pictures, {size}", count, captions, "-", "-"
    kept = f"{bucket.frames} of {_range([film.frames for film in films])}"
    name = f"pictures, {size}" if bucket.still else f"{bucket.frames} frames, {size}"
    return name, count, captions, kept, f"{fps:g} fps of {_range([film.fps for film in films])}"


def _range(values: Sequence[float]) -> str:
    low, high = f"{min(values):.4g}", f"{max(values):.4g}"
    return low if low == high else f"{low} to {high}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines whose columns stand below each other; at least one row."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
