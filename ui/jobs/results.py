"""Results in the output folder, with what their receipts say; a file that is deleted by hand is simply gone."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.config import shorten
from shared.errors import InputError, KinoraError
from shared.media.files import refusal
from shared.media.naming import sheet_path
from ui.jobs.files import UPLOADS, Files
from ui.jobs.moving import PREVIEWS, preview_path
from ui.page.tabs.tab import Kind

KINDS: Mapping[str, Kind] = {
    ".mp4": "clip", ".mkv": "clip", ".gif": "clip", ".png": "picture", ".wav": "sound", ".json": "text", "": "clip",
}  # fmt: skip
"""Of a file by its suffix; without one it is a folder of pictures."""


@dataclass(frozen=True)
class Result:
    """A file that a command made.

    Attributes:
        name: in the output folder.
        kind: what it is.
        made: when, in seconds since 1970.
        receipt: what it says about its making; empty where that is damaged.
        fault: what is wrong with the receipt, in one line; empty where nothing is.
    """

    name: str
    kind: Kind
    made: float
    receipt: Mapping[str, Any]
    fault: str = ""

    @property
    def command(self) -> str:
        """What made it."""
        return str(self.receipt.get("command", ""))

    @property
    def title(self) -> str:
        """The prompt as it was written, else the file's name."""
        told = self.receipt.get("details", {}).get("rewrite")
        first = told if isinstance(told, Mapping) else next(iter(self.rewrites), {})
        asked = self.receipt.get("request", {}).get("prompt")
        return str(first.get("original") or asked or Path(self.name).stem)

    @property
    def rewrites(self) -> list[Mapping[str, Any]]:
        """Of a text."""
        return self.receipt.get("rewrites", [])

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What people look for first: seed, size, length, model, steps."""
        asked, picture = self.receipt.get("request", {}), self.receipt.get("picture")
        facts = {"seed": self.receipt.get("seed")}
        if picture:
            facts["size"] = f"{picture['width']}x{picture['height']}"
            facts["length"] = f"{picture['frames'] / picture['fps']:.3g} s, {picture['frames']} frames"
        if "sound" in self.receipt:
            sound = self.receipt["sound"]
            facts["sound"] = (
                f"{sound['samples'] / sound['sample_rate']:.3g} s, {sound['sample_rate'] / 1000:g} kHz"
            )
        facts |= {name: asked.get(name) for name in ("steps", "cfg", "shift", "model")}
        return [
            (name, f"{value:g}" if isinstance(value, float) else str(value))
            for name, value in facts.items()
            if value is not None
        ]

    @property
    def is_small(self) -> bool:
        """Whether its pixels are worth seeing one by one."""
        return self.receipt.get("picture", {}).get("width", 1024) < 256


class Results:
    """The results of an output folder; receipts are read once per version of a file."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self._read: dict[str, tuple[tuple[int, int], Result | None]] = {}

    def find(self, name: str) -> Result | None:
        """A result by its name; None where it is gone, only reserved so far, or says nothing about its making."""
        try:
            path = self.files.path(name)
            stat = path.stat()
        except (InputError, OSError):
            self._read.pop(name, None)
            return None
        if path.is_file() and stat.st_size == 0:
            return None
        version = (stat.st_mtime_ns, stat.st_size)
        known = self._read.get(name)
        if known is None or known[0] != version:
            known = self._read[name] = (version, _read(path, name, stat.st_mtime))
        return known[1]

    def newest(self, command: str | None = None) -> Iterator[Result]:
        """All results, the newest first.

        Args:
            command: the only one whose results are wanted.
        """
        for name in self._names():
            result = self.find(name)
            if result is not None and command in (None, result.command):
                yield result

    def page(self, command: str | None, count: int, words: str = "") -> tuple[list[Result], bool]:
        """The newest results, and whether there are more.

        Args:
            command: the only one whose results are wanted.
            count: at most.
            words: each stands in a result's title or name, in any case.
        """
        wanted = words.lower().split()
        matching = (
            one
            for one in self.newest(command)
            if all(word in f"{one.title} {one.name}".lower() for word in wanted)
        )
        found = list(itertools.islice(matching, count + 1))
        return found[:count], len(found) > count

    def delete(self, name: str) -> None:
        """Delete a result, with its preview and the contact sheet and the latents beside it.

        Raises:
            InputError: it is no result of ours, or cannot be deleted.
        """
        if self.find(name) is None:
            raise InputError(f"{name} is not in the output folder any more, or is no result of Kinora's")
        path = self.files.path(name)
        preview = preview_path(path, self.files.private / PREVIEWS)
        beside = [sheet_path(path), path.with_suffix(".latents.safetensors"), preview]
        try:
            for one in (path, *beside):
                if one.is_dir():
                    shutil.rmtree(one)
                else:
                    one.unlink(missing_ok=True)
        except OSError as error:
            raise refusal(error, path, "deleted") from error

    def _names(self) -> list[str]:
        entries = []
        for path in self.files.folder.iterdir():
            if path.name.startswith(".") or path.name == UPLOADS or path.suffix.lower() not in KINDS:
                continue
            try:
                entries.append((path.stat().st_mtime, path.name))
            except OSError:
                continue  # deleted in this moment
        return [name for _, name in sorted(entries, reverse=True)]


def _read(path: Path, name: str, made: float) -> Result | None:
    """A file's result; None where another program wrote it."""
    kind = KINDS[path.suffix.lower()]
    try:
        receipt = _read_text(path) if kind == "text" else _read_media(path)
    except InputError as error:
        return Result(name, kind, made, {}, fault=str(error))
    return None if receipt is None else Result(name, kind, made, receipt)


def _read_media(path: Path) -> Mapping[str, Any] | None:
    """The receipt in a picture, a film or a sound; None where there is none.

    Raises:
        InputError: The receipt is damaged.
    """
    from shared.receipts import location, receipt

    try:
        found = location.find(path)
    except KinoraError:
        return None
    return receipt.parse(found.text)


def _read_text(path: Path) -> Mapping[str, Any] | None:
    """What a file of rewrites says; None for any other JSON.

    Raises:
        InputError: The file is one of rewrites, and damaged.
    """
    from shared.receipts.receipt import check_entries

    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or told.get("command") != "rewrite":
        return None
    check_entries(told)
    rewrites = told.get("rewrites")
    if not (isinstance(rewrites, list) and rewrites and all(map(_is_rewrite, rewrites))):
        raise InputError(f"the receipt's rewrites must be originals and texts, not {shorten(rewrites)}")
    return told


def _is_rewrite(told: Any) -> bool:
    if not isinstance(told, dict):
        return False
    changes = told.get("changes", [])
    texts = [told.get("original"), told.get("text"), *(changes if isinstance(changes, list) else [None])]
    return all(isinstance(text, str) for text in texts)
