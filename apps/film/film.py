"""A film, as it is to be made: shots, their pieces, and where everything goes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from apps.film.pieces import Drawn, Kept, Piece, Ready, Sounded
from apps.film.request import FilmRequest
from apps.i2v.request import ImageToVideoRequest

SHOTS = ".shots"
"""Stands in the place of a film's suffix for the folder of its shots."""


@dataclass(frozen=True)
class Planned:
    """One shot: the piece that is its picture, and the one that is its sound, None for silence."""

    picture: Drawn | Ready
    sound: Sounded | Kept | None


@dataclass(frozen=True)
class Film:
    """A film, as it is to be made.

    Attributes:
        request: with a seed, where it is a film of one sentence.
        place: of the film's file.
        fps: of every shot.
        shots: in their order.
    """

    request: FilmRequest
    place: Path
    fps: float
    shots: tuple[Planned, ...]

    @property
    def shots_folder(self) -> Path:
        """Where the pieces are."""
        return shots_folder(self.place)

    @property
    def pieces(self) -> list[Piece]:
        """Every piece after those that it is made from, and each model's in a row."""
        ready = [shot.picture for shot in self.shots if isinstance(shot.picture, Ready)]
        drawn = [shot.picture for shot in self.shots if isinstance(shot.picture, Drawn)]
        drawn.sort(key=lambda piece: isinstance(piece.request, ImageToVideoRequest))
        return [*ready, *drawn, *(shot.sound for shot in self.shots if shot.sound is not None)]

    def files(self) -> tuple[list[Path], list[Path | None]]:
        """The files of pictures and sounds, shot by shot."""
        sounds = [None if shot.sound is None else shot.sound.file for shot in self.shots]
        return [shot.picture.file for shot in self.shots], sounds


def shots_folder(film: Path) -> Path:
    """Where the pieces of a film lie, by the film's place."""
    return film.with_suffix(SHOTS)
