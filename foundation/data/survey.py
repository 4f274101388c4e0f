"""What each medium is: read through once, remembered for as long as the file stays the same."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from foundation.weights.record import cache_folder, file_sha256
from shared.errors import InputError
from shared.media.film import look_through
from shared.media.picture import read_png
from shared.media.video import DEMUXERS

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


class MediaRecord:
    """Media by path, size and time of change.

    One line of JSON is appended for each new medium, so that a survey that was killed goes on where it was; of
    two lines about a file the later one holds. Files that cannot be used are looked at anew every time.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or cache_folder() / RECORD_FILE
        self.known = _read(self.path)

    def medium(self, file: Path) -> Medium:
        """What a file is.

        Raises:
            InputError: it is empty, damaged, or a clip of fewer than two frames; the line names no file.
        """
        stat, name = file.stat(), str(file.resolve())
        stamp = (stat.st_size, stat.st_mtime_ns)
        known = self.known.get(name)
        if known and known[0] == stamp:
            return known[1]
        if not stat.st_size:
            raise InputError("the file is empty (0 bytes)")
        medium = look(file)
        self.known[name] = stamp, medium
        self._append({"file": name, "size": stamp[0], "mtime_ns": stamp[1], **asdict(medium)})
        return medium

    def _append(self, line: dict[str, object]) -> None:
        # Without a place to keep it the next run looks again, which costs time and nothing else.
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"\n{json.dumps(line)}")  # after a line that a killed run left unfinished


def look(file: Path) -> Medium:
    """Decode a whole file.

    Raises:
        InputError: it is damaged, or a clip of fewer than two frames; the line names no file.
    """
    try:
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


Known = dict[str, tuple[tuple[int, int], Medium]]


def _read(path: Path) -> Known:
    known: Known = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return known
    for line in lines:
        try:
            values = json.loads(line)
            name, stamp = values.pop("file"), (values.pop("size"), values.pop("mtime_ns"))
            known[name] = stamp, Medium(**values)
        except (ValueError, TypeError, KeyError, AttributeError):
            continue  # blank, or cut off by a kill: that file is looked at anew
    return known
