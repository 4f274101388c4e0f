"""From a request to the pieces of a film: everything is checked here, before anything is loaded or made."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.film.film import Film, Planned, shots_folder
from apps.film.pieces import Drawn, Kept, Ready, Sounded, last_frame_of
from apps.film.request import FilmRequest
from apps.film.rewriting import rewriter_of
from apps.film.scene_file import read_scenes
from apps.film.scenes import OWN, SILENT, Rules, Scenes, Shot
from apps.i2v.preprocess import nearest_size, read_picture
from apps.i2v.request import ImageToVideoRequest
from apps.v2a.request import VideoToAudioRequest
from foundation.cli import first_seed
from foundation.request import LARGEST_SEED, ModelDefaults, TextToVideoRequest, resolve
from foundation.weights.defaults import read_defaults
from foundation.weights.lora.source import check_loras
from foundation.weights.registry import find_parts
from shared.config import Size, one_of
from shared.console import note
from shared.errors import InputError, WeightsError
from shared.media.naming import Output, slug

SUFFIXES = (".mp4", ".mkv")
SAME = ("steps", "seconds", "frames", "guidance", "cfg", "shift")
"""Settings that film, scene file and shot have in common with the command that makes the picture."""


@dataclass(frozen=True)
class Model:
    """A model that makes pictures: its weights files, and what its folder says."""

    name: str
    base: str | None
    weights: Mapping[str, Path]
    defaults: ModelDefaults


def plan(request: FilmRequest) -> Film:
    """Check a request and lay out what is to be made.

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
    place = _place(request, output)
    fps, pictures = _pictures(request, scenes, shots_folder(place))
    sounds = _sounds(request, scenes, pictures)
    return Film(request, place, fps, tuple(map(Planned, pictures, sounds)))


def _alone(request: FilmRequest) -> Scenes:
    """The scenes of a film of one sentence."""
    shot = Shot(prompt=request.prompt, first=request.image, last=request.last_image)
    return Scenes(shots=(shot,), sound=request.sound_prompt or None)


def _place(request: FilmRequest, output: Output) -> Path:
    """A film of a scene file has one place, and is replaced there; one of a sentence never replaces another."""
    if output.explicit:
        return output.place
    if request.scenes is not None:
        return output.place / f"{slug(request.scenes.stem)}{SUFFIXES[0]}"
    assert request.seed is not None
    return output.path(str(request.prompt), request.seed, frames=2)


def _told(request: FilmRequest, scenes: Scenes, shot: Shot) -> dict[str, Any]:
    """What holds for a shot: as it says itself, then the command line, then the scene file."""
    flags = Rules(
        **{name: getattr(request, name) for name in SAME},
        negative_prompt=request.negative_prompt or None,
        music=None if request.music else False,
        voice=None if request.voice else False,
    )
    return Rules(**scenes.under(flags)).under(shot)


# -- pictures ----------------------------------------------------------------------------------------------


def _pictures(request: FilmRequest, scenes: Scenes, folder: Path) -> tuple[float, list[Drawn | Ready]]:
    """The shots' pictures, and the rate that all of them have."""
    models = _models(request, scenes)
    rates = sorted({model.defaults.fps for model in models.values()})
    if len(rates) > 1:
        raise InputError(f"model and image_model make clips at {one_of(rates)} fps, and a film has one rate")
    area = next(iter(models.values())).defaults.size
    size = request.size or scenes.size or _size_of_first(scenes.shots[0], area)
    pictures: list[Drawn | Ready] = []
    for number, shot in enumerate(scenes.shots, 1):
        file = folder / f"shot-{number:02}.mkv"
        try:
            if shot.clip is not None:
                pictures.append(_ready(number, shot, file, size, rates[0]))
            else:
                before = pictures[-1].file if shot.follows else None
                model = models["i2v" if shot.first else "t2v"]
                asked = {**_asked(request, scenes, number), "size": size, "out": file}
                pictures.append(_drawn(number, shot, before, asked, model, _rewriting(request)))
        except InputError as error:
            named = "" if request.scenes is None else f"{request.scenes}, shot {number}: "
            raise InputError(f"{named}{error}") from None
    return rates[0], pictures


def _models(request: FilmRequest, scenes: Scenes) -> dict[str, Model]:
    """The models that make the pictures; ready clips alone take the film's size and rate from one, too."""
    found = {}
    pictured = [shot for shot in scenes.shots if shot.first is not None]
    if pictured:
        name, base = (request.image_model, None) if request.image_model else (request.model, request.base)
        found["i2v"] = _model(name, base, "i2v")
    if len(pictured) < len(scenes.shots):
        found["t2v"] = _model(request.model, request.base, None)
    return found


def _model(name: str, base: str | None, app: str | None) -> Model:
    parts = find_parts(name, base, app)
    return Model(name, base, parts.weights(), read_defaults(parts.folder))


def _size_of_first(shot: Shot, area: Size) -> Size:
    """The first picture that is given decides over the aspect ratio, as it does for a clip."""
    if shot.clip is not None:
        from shared.media.film import picked

        return nearest_size(next(picked(shot.clip, [0])), area)
    return area if shot.first is None else nearest_size(read_picture(shot.first), area)


def _ready(number: int, shot: Shot, file: Path, size: Size, fps: float) -> Ready:
    from apps.film.ready import own_sound
    from apps.v2a.preprocess import check_film

    assert shot.clip is not None
    check_film(shot.clip)
    if shot.sound == OWN and own_sound(shot.clip) is None:
        raise InputError(f"sound {OWN}: {shot.clip} has none")
    return Ready(number, file, shot.clip, size, fps)


def _asked(request: FilmRequest, scenes: Scenes, number: int) -> dict[str, Any]:
    """Settings of the command that makes a shot's picture."""
    shot = scenes.shots[number - 1]
    told = _told(request, scenes, shot)
    first = request.seed if request.seed is not None else scenes.seed
    counted = None if first is None else min(first + number - 1, LARGEST_SEED)
    return {
        **{name: told[name] for name in SAME},
        "prompt": shot.prompt,
        "negative_prompt": told["negative_prompt"] or "",
        "seed": counted if shot.seed is None else shot.seed,
        "lora": request.lora,
        **request.runtime(),
    }


def _drawn(
    number: int,
    shot: Shot,
    before: Path | None,
    asked: Mapping[str, Any],
    model: Model,
    rewriting: Mapping[str, Any],
) -> Drawn:
    for picture in (None if shot.follows else shot.first, shot.last):
        if picture is not None:
            read_picture(picture)
    made = TextToVideoRequest(**asked, model=model.name, base=model.base)
    if shot.first is not None:
        first = shot.first if before is None else last_frame_of(before)
        made = ImageToVideoRequest(
            **asked, model=model.name, base=model.base, image=first, last_image=shot.last
        )
    resolved, notes = resolve(made, model.defaults)
    for line in notes:
        note(f"shot {number}: {line}")
    made = dataclasses.replace(made, seconds=None, frames=resolved.frames)
    assert resolved.steps is not None and made.out is not None
    return Drawn(number, made.out, resolved.steps, made, model.weights, before, rewriting)


def _rewriting(request: FilmRequest) -> dict[str, Any]:
    """Who rewrites prompts, as far as it decides about a picture."""
    names = ("rewrite", "rewrite_backend", "rewrite_model")
    return {} if request.rewrite == "off" else {name: getattr(request, name) for name in names}


# -- sounds ------------------------------------------------------------------------------------------------


def _sounds(
    request: FilmRequest, scenes: Scenes, pictures: Sequence[Drawn | Ready]
) -> list[Sounded | Kept | None]:
    """The shots' sounds, None for silence; where there are no weights, and nobody asks for words, that is said aloud.

    Raises:
        WeightsError: there are none, and a sound was asked for.
    """
    heard = [_heard(request, scenes, shot) for shot in scenes.shots]
    wanting = [words for words in heard if words not in (SILENT, OWN)]
    model = None
    if wanting:
        try:
            model = _sound_model(request.sound_model)
        except WeightsError as error:
            if request.sound == "on" or any(wanting):
                raise WeightsError(f"no sound: {error}; --sound off makes the film without") from None
            note(f"no sound: {error}")
    sounds: list[Sounded | Kept | None] = []
    for shot, picture, words in zip(scenes.shots, pictures, heard, strict=True):
        file = picture.file.with_suffix(".wav")
        if words == OWN and shot.clip is not None:
            from apps.film.ready import own_sound

            sounds.append(Kept(picture.number, file, shot.clip) if own_sound(shot.clip) else None)
        elif words == SILENT or model is None:
            sounds.append(None)
        else:
            weights, steps = model
            asked = _sound_asked(request, _told(request, scenes, shot), words, picture.file, file)
            sounds.append(Sounded(picture.number, file, steps, asked, weights, picture.file))
    return sounds


def _heard(request: FilmRequest, scenes: Scenes, shot: Shot) -> str:
    """What is heard in a shot: words, nothing in particular (empty), `SILENT`, or `OWN`."""
    if request.sound == "off":
        return SILENT
    told = shot.sound or scenes.sound
    if shot.clip is None:
        return "" if told in (None, OWN) else told
    return told if told is not None and (shot.sound or told == SILENT) else OWN


def _sound_model(name: str) -> tuple[dict[str, Path], int]:
    """The files of a model's sound weights, and the steps that it takes."""
    from apps.v2a import weights

    folder = weights.find_folder(name)
    return weights.weight_files(folder), weights.read_defaults(folder).steps


def _sound_asked(
    request: FilmRequest, told: Mapping[str, Any], words: str, picture: Path, file: Path
) -> VideoToAudioRequest:
    return VideoToAudioRequest(
        video=picture,
        prompt=words,
        music=told["music"] is not False,
        voice=told["voice"] is not False,
        loudness=request.loudness,
        model=request.sound_model,
        device=request.device,
        dtype=request.dtype,
        out=file,
    )
