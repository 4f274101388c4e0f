"""Where a run's files go and what they are called."""

from __future__ import annotations

import contextlib
import itertools
import re
import unicodedata
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.config import local_path, one_of
from shared.console import note
from shared.errors import InputError
from shared.media.files import check_length, check_writable, reserving

SUFFIXES = (".mp4", ".mkv", ".gif", ".png")
DEFAULT_FOLDER = Path("outputs")
_STEM_LENGTH = 60
_MARGIN = "-1000.latents.safetensors"
"""What is written beside a file has the longest name with this at its end."""


@dataclass(frozen=True)
class Output:
    """Names for the clips of one run: one explicit file, or readable names in a folder.

    Attributes:
        place: The file or the folder.
        format: `mp4`, `mkv`, `gif`, `png`, `wav`, or None for MP4 (PNG for one frame).
        explicit: `place` is a file that the user named; it is replaced when it exists, said aloud.
        several: The run makes more than one clip, so an explicit name gets `-1`, `-2`, ...
    """

    place: Path
    format: str | None
    explicit: bool
    several: bool

    @classmethod
    def plan(
        cls, out: Path | None, format: str | None, several: bool, suffixes: Sequence[str] = SUFFIXES
    ) -> Output:
        """Check early where the clips will go; an explicit file ends in one of the suffixes.

        Raises:
            InputError: An unknown suffix, one that contradicts `format`, or a place that takes no files.
            ResourceError: The disk is full.
        """
        place = DEFAULT_FOLDER if out is None else local_path(out)
        explicit = place.suffix != "" and not place.is_dir()
        if explicit and place.suffix.lower() not in suffixes:
            raise InputError(f"out: {place} must end in {one_of(suffixes)}, or be a folder")
        if explicit and format is not None and place.suffix.lower() != f".{format}":
            raise InputError(f"out: {place} is no {format} file: leave format out, or name a folder")
        check_writable(place.parent if explicit else place)
        check_length(place.with_name(place.name + _MARGIN) if explicit else place / (_MARGIN * 4))
        return cls(place, format, explicit, several)

    @contextlib.contextmanager
    def reserved(
        self, title: str, seed: int, frames: int, beside: Sequence[Callable[[Path], Path]] = ()
    ) -> Generator[Path]:
        """A path for the next clip, which nobody else is given while the block writes it.

        A single explicit file may exist already.

        Args:
            title: What the clip shows, for its name.
            seed: For its name.
            frames: Number of frames; one frame becomes a PNG, several in PNG format a folder.
            beside: Names of what is written beside the clip, made from its path; they are free, too.

        Raises:
            InputError: Several frames for an explicit PNG, or a place that takes no files.
            ResourceError: The disk is full.
        """
        candidates = self._candidates(title, seed, frames)
        if isinstance(candidates, Path):
            yield candidates
            return
        with reserving([path, *(name(path) for name in beside)] for path in candidates) as path:
            yield path

    def _candidates(self, title: str, seed: int, frames: int) -> Path | Iterator[Path]:
        """The one path that the user named, or those to be tried."""
        suffix = f".{self.format or ('png' if frames == 1 else 'mp4')}"
        if self.explicit:
            if self.place.suffix.lower() == ".png" and frames > 1:
                raise InputError(
                    f"out: {self.place} holds one frame and the clip has {frames}: "
                    "name a folder and give format png, or take another suffix"
                )
            if self.several:
                return numbered(self.place.parent, self.place.stem, self.place.suffix, always=True)
            if self.place.exists():
                note(f"{self.place} existed and is replaced")
            return self.place
        return numbered(
            self.place, f"{slug(title)}-seed{seed}", "" if suffix == ".png" and frames > 1 else suffix
        )


def slug(text: str) -> str:
    """A text as a file name: lower-case words with hyphens, `clip` where nothing is left."""
    words = re.findall(r"\w+", unicodedata.normalize("NFC", text).lower())
    name = ""
    for word in words:
        longer = f"{name}-{word}" if name else word
        if len(longer.encode()) > _STEM_LENGTH:
            break
        name = longer
    return name or "clip"


def sheet_path(path: Path) -> Path:
    """The contact sheet that belongs to a clip: `clip.mp4` has `clip-sheet.png`."""
    return path.with_name(f"{path.stem}-sheet.png")


def numbered(folder: Path, stem: str, suffix: str, always: bool = False) -> Iterator[Path]:
    """Paths to be tried in turn: `clip.mp4`, `clip-2.mp4`, ...; `clip-1.mp4` comes first where all have a number."""
    for number in itertools.count(1):
        yield folder / f"{stem}{f'-{number}' if number > 1 or always else ''}{suffix}"
