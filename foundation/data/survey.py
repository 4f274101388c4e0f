"""What each medium is: read through once, remembered for as long as the file stays the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from foundation.data.record import FileRecord
from foundation.weights.record import cache_folder, file_sha256
from shared.errors import InputError
from shared.media.film import look_through
from shared.media.limited import check_medium
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
