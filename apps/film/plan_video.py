"""What makes the pictures of a film's shots: models, sizes, lengths, and the requests of `t2v` and `i2v`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.film.request import FilmRequest
from apps.film.scenes import OWN, SAME, Scenes, Shot, told_of
from apps.film.shots import GeneratedVideo, ImportedVideo, last_frame_of
from apps.i2v.conditioning.images import nearest_size, read_picture
from apps.i2v.request import ImageToVideoRequest
from foundation.checkpoints.defaults import ModelDefaults, read_defaults
from foundation.checkpoints.registry import ModelParts, find_parts
from foundation.runtime.preflight import check_memory
from foundation.t2v.request import LARGEST_SEED, TextToVideoRequest, resolve
from shared.config import Size, one_of
from shared.console import note
from shared.errors import InputError


@dataclass(frozen=True)
class Model:
    """A model that makes pictures: its parts, and what its folder says."""

    name: str
    base: str | None
    own: Mapping[str, str]
    parts: ModelParts
    defaults: ModelDefaults


def pictures_of(
    request: FilmRequest, scenes: Scenes, folder: Path
) -> tuple[float, list[GeneratedVideo | ImportedVideo]]:
    """The rate that all pictures of a film have, and the pictures, shot by shot.

    Raises:
        KinoraError: A model, a shot's settings, or a picture is refused; the line names the shot.
    """
    models = _models(request, scenes)
    rates = sorted({model.defaults.fps for model in models.values()})
    if len(rates) > 1:
        raise InputError(f"model and image_model make clips at {one_of(rates)} fps, and a film has one rate")
    area = next(iter(models.values())).defaults.size
    size = request.size or scenes.size or _size_of_first(scenes.shots[0], area)
    pictures: list[GeneratedVideo | ImportedVideo] = []
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
        if request.image_model:
            found["i2v"] = _model(request.image_model, None, "i2v", {})
        else:
            found["i2v"] = _model(request.model, request.base, "i2v", request.own_parts())
    if len(pictured) < len(scenes.shots):
        found["t2v"] = _model(request.model, request.base, None, request.own_parts())
    return found


def _model(name: str, base: str | None, app: str | None, own: Mapping[str, str]) -> Model:
    parts = find_parts(name, base, app, own)
    return Model(name, base, own, parts, read_defaults(parts.folder))


def _size_of_first(shot: Shot, area: Size) -> Size:
    """The first picture that is given decides over the aspect ratio, as it does for a clip."""
    if shot.clip is not None:
        from shared.media.film import picked
        from shared.media.limited import check_medium

        check_medium(shot.clip)
        return nearest_size(next(picked(shot.clip, [0])), area)
    return area if shot.first is None else nearest_size(read_picture(shot.first), area)


def _ready(number: int, shot: Shot, file: Path, size: Size, fps: float) -> ImportedVideo:
    from apps.film.shots import own_sound
    from apps.v2a.conditioning.sampled_frames import check_film

    assert shot.clip is not None
    check_film(shot.clip)
    if shot.sound == OWN and own_sound(shot.clip) is None:
        raise InputError(f"sound {OWN}: {shot.clip} has none")
    return ImportedVideo(number, file, shot.clip, size, fps)


def _asked(request: FilmRequest, scenes: Scenes, number: int) -> dict[str, Any]:
    """Settings of the command that makes a shot's picture."""
    shot = scenes.shots[number - 1]
    told = told_of(request, scenes, shot)
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
) -> GeneratedVideo:
    for picture in (None if shot.follows else shot.first, shot.last):
        if picture is not None:
            read_picture(picture)
    made = TextToVideoRequest(**asked, model=model.name, base=model.base, **model.own)
    if shot.first is not None:
        first = shot.first if before is None else last_frame_of(before)
        made = ImageToVideoRequest(
            **asked, model=model.name, base=model.base, **model.own, image=first, last_image=shot.last
        )
    resolved, notes = resolve(made, model.defaults)
    for line in notes:
        note(f"shot {number}: {line}")
    made = dataclasses.replace(made, seconds=None, frames=resolved.frames)
    check_memory(made, model.parts)
    assert resolved.steps is not None and made.out is not None
    return GeneratedVideo(number, made.out, resolved.steps, made, model.parts.weights(), before, rewriting)


def _rewriting(request: FilmRequest) -> dict[str, Any]:
    """Who rewrites prompts, as far as it decides about a picture."""
    names = ("rewrite", "rewrite_backend", "rewrite_model")
    return {} if request.rewrite == "off" else {name: getattr(request, name) for name in names}
