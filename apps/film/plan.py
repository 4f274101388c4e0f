"""A film as it is to be made: shots, their pieces, and where everything goes; checked before anything is loaded."""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from apps.film.plan_audio import sounds_of
from apps.film.plan_video import pictures_of
from apps.film.request import FilmRequest
from apps.film.rewriting import rewriter_of
from apps.film.scene_file import read_scenes
from apps.film.scenes import Scenes, Shot
from apps.film.shots import GeneratedAudio, GeneratedVideo, ImportedVideo, OriginalAudio, Piece
from apps.i2v.request import ImageToVideoRequest
from foundation.checkpoints.lora.source import check_loras
from foundation.t2v.cli import first_seed
from shared.errors import InputError
from shared.media.naming import Output, slug

SHOTS = ".shots"
"""Stands in the place of a film's suffix for the folder of its shots."""


@dataclass(frozen=True)
class Planned:
    """One shot: the piece that is its picture, and the one that is its sound, None for silence."""

    picture: GeneratedVideo | ImportedVideo
    sound: GeneratedAudio | OriginalAudio | None


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
        ready = [shot.picture for shot in self.shots if isinstance(shot.picture, ImportedVideo)]
        drawn = [shot.picture for shot in self.shots if isinstance(shot.picture, GeneratedVideo)]
        drawn.sort(key=lambda piece: isinstance(piece.request, ImageToVideoRequest))
        return [*ready, *drawn, *(shot.sound for shot in self.shots if shot.sound is not None)]

    def files(self) -> tuple[list[Path], list[Path | None]]:
        """The files of pictures and sounds, shot by shot."""
        sounds = [None if shot.sound is None else shot.sound.file for shot in self.shots]
        return [shot.picture.file for shot in self.shots], sounds


def shots_folder(film: Path) -> Path:
    """Where the pieces of a film lie, by the film's place."""
    return film.with_suffix(SHOTS)


SUFFIXES = (".mp4", ".mkv")


def plan(request: FilmRequest, held: ExitStack) -> Film:
    """Check a request and lay out what is to be made.

    Args:
        request: What to make.
        held: Holds the film's name while it is made, so that no other run takes it.

    Raises:
        KinoraError: The scene file, a shot, a picture, a model or the place for the film is refused.
    """
    scenes = _alone(request) if request.scenes is None else read_scenes(request.scenes)
    for number in request.shot:
        if number > len(scenes.shots):
            raise InputError(f"shot {number} is missing: {request.scenes} has shots 1 to {len(scenes.shots)}")
    output = Output.plan(request.out, None, several=False, suffixes=SUFFIXES)
    check_loras(request.lora)
    if request.rewrite != "off":
        rewriter_of(request)
    if request.scenes is None:
        request = dataclasses.replace(request, seed=first_seed(request))
    place = _place(request, output, held)
    fps, pictures = pictures_of(request, scenes, shots_folder(place))
    sounds = sounds_of(request, scenes, pictures)
    return Film(request, place, fps, tuple(map(Planned, pictures, sounds)))


def _alone(request: FilmRequest) -> Scenes:
    """The scenes of a film of one sentence."""
    shot = Shot(prompt=request.prompt, first=request.image, last=request.last_image)
    return Scenes(shots=(shot,), sound=request.sound_prompt or None)


def _place(request: FilmRequest, output: Output, held: ExitStack) -> Path:
    """A film of a scene file has one place, and is replaced there; one of a sentence never replaces another."""
    if output.explicit:
        return output.place
    if request.scenes is not None:
        return output.place / f"{slug(request.scenes.stem)}{SUFFIXES[0]}"
    assert request.seed is not None
    return held.enter_context(output.reserved(str(request.prompt), request.seed, frames=2))
