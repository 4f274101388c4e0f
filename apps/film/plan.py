"""From a request to the pieces of a film: everything is checked here, before anything is loaded or made."""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack
from pathlib import Path

from apps.film.film import Film, Planned, shots_folder
from apps.film.pictures import pictures_of
from apps.film.request import FilmRequest
from apps.film.rewriting import rewriter_of
from apps.film.scene_file import read_scenes
from apps.film.scenes import Scenes, Shot
from apps.film.sounds import sounds_of
from foundation.cli import first_seed
from foundation.weights.lora.source import check_loras
from shared.errors import InputError
from shared.media.naming import Output, slug

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
