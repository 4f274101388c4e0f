"""What each file of a folder is: read once, remembered for as long as the file stays the same."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from foundation.checkpoints.hashes import cache_folder, file_sha256
from shared.config import text_lines
from shared.errors import InputError
from shared.media.film import look_through
from shared.media.limited import check_medium
from shared.media.picture import read_png
from shared.media.video import DEMUXERS

Found = TypeVar("Found")

Stamp = tuple[int, int]
"""Size in bytes, and time of change in nanoseconds."""


class FileRecord(Generic[Found]):
    """Findings by path, size and time of change.

    One line of JSON is appended for each new one, so that a run that was killed goes on where it was; of two lines
    about a file the later one holds. Files about which nothing can be found out are looked at anew every time.

    Args:
        path: of the record.
        kind: dataclass of a finding; its values are those of JSON.
    """

    def __init__(self, path: Path, kind: Callable[..., Found]) -> None:
        self.path = path
        self.known = _read(path, kind)

    def of(self, file: Path, find: Callable[[Path], Found]) -> Found:
        """What is known of a file, found out where it is new or has changed; what `find` raises is passed on."""
        stat, name = file.stat(), str(file.resolve())
        stamp = stat.st_size, stat.st_mtime_ns
        known = self.known.get(name)
        if known and known[0] == stamp:
            return known[1]
        found = find(file)
        self.known[name] = stamp, found
        values: Any = found
        self._append({"file": name, "size": stamp[0], "mtime_ns": stamp[1], **asdict(values)})
        return found

    def _append(self, line: dict[str, object]) -> None:
        # Without a place to keep it the next run looks again, which costs time and nothing else.
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"\n{json.dumps(line)}")  # after a line that a killed run left unfinished


def _read(path: Path, kind: Callable[..., Found]) -> dict[str, tuple[Stamp, Found]]:
    known: dict[str, tuple[Stamp, Found]] = {}
    try:
        lines = text_lines(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return known
    for line in lines:
        try:
            values = json.loads(line)
            name, stamp = values.pop("file"), (values.pop("size"), values.pop("mtime_ns"))
            known[name] = stamp, kind(**values)
        except (ValueError, TypeError, KeyError, AttributeError):
            continue  # blank, or cut off by a kill: that file is looked at anew
    return known


STILLS = (".jpeg", ".jpg", ".png", ".webp")
FILMS = tuple(sorted(DEMUXERS))
RECORD_FILE = "media.jsonl"


@dataclass(frozen=True)
class Medium:
    """A clip, or a picture, which is a clip of one frame.

    Attributes:
        sha256: of the file.
        frames: their number; every one of them can be decoded.
        span: seconds from the first frame to the last.
        height: of a frame as players show it.
        width: likewise.
    """

    sha256: str
    frames: int
    span: float
    height: int
    width: int

    @property
    def still(self) -> bool:
        """A picture."""
        return self.frames == 1

    @property
    def fps(self) -> float:
        """Frames per second on average; 0 for a picture."""
        return 0.0 if self.still else (self.frames - 1) / self.span


class MediaRecord(FileRecord[Medium]):
    """Media as they were when they were looked through."""

    def __init__(self, path: Path | None = None) -> None:
        super().__init__(path or cache_folder() / RECORD_FILE, Medium)

    def medium(self, file: Path) -> Medium:
        """What a file is.

        Raises:
            InputError: it is empty, damaged, or a clip of fewer than two frames; the line names no file.
        """
        return self.of(file, look)


def look(file: Path) -> Medium:
    """Decode a whole file.

    Raises:
        InputError: it is empty, damaged, or a clip of fewer than two frames; the line names no file.
    """
    if not file.stat().st_size:
        raise InputError("the file is empty (0 bytes)")
    try:
        check_medium(file)
        return _look(file)
    except InputError as error:
        raise InputError(str(error).removeprefix(f"{file} ")) from error


def _look(file: Path) -> Medium:
    if file.suffix.lower() in STILLS:
        height, width = read_png(file).shape[:2]
        return Medium(file_sha256(file), 1, 0.0, height, width)
    film = look_through(file)
    if len(film.times) < 2:
        raise InputError("holds 1 frame: a clip has several, and a picture is one of " + ", ".join(STILLS))
    return Medium(file_sha256(file), len(film.times), float(film.times[-1]), film.height, film.width)
