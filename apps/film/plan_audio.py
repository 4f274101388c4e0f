"""What makes the sounds of a film's shots: weights where there are any, and the requests of `v2a`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from apps.film.request import FilmRequest
from apps.film.scenes import OWN, SILENT, Scenes, Shot, told_of
from apps.film.shots import GeneratedAudio, GeneratedVideo, ImportedVideo, OriginalAudio
from apps.v2a.request import VideoToAudioRequest
from foundation.checkpoints.registry import locate
from shared.console import note
from shared.errors import WeightsError


def sounds_of(
    request: FilmRequest, scenes: Scenes, pictures: Sequence[GeneratedVideo | ImportedVideo]
) -> list[GeneratedAudio | OriginalAudio | None]:
    """The shots' sounds, None for silence; where there are no weights, and nobody asks for words, that is said aloud.

    Raises:
        WeightsError: there are none, and a sound was asked for; or the model is not on this machine.
    """
    heard = [_heard(request, scenes, shot) for shot in scenes.shots]
    wanting = [words for words in heard if words not in (SILENT, OWN)]
    model = None
    if wanting:
        locate(request.sound_model)
        try:
            model = _sound_model(request.sound_model)
        except WeightsError as error:
            if request.sound == "on" or any(wanting):
                raise WeightsError(f"no sound: {error}; --sound off makes the film without") from None
            note(f"no sound: {error}")
    sounds: list[GeneratedAudio | OriginalAudio | None] = []
    for shot, picture, words in zip(scenes.shots, pictures, heard, strict=True):
        file = picture.file.with_suffix(".wav")
        if words == OWN and shot.clip is not None:
            from apps.film.shots import own_sound

            sounds.append(OriginalAudio(picture.number, file, shot.clip) if own_sound(shot.clip) else None)
        elif words == SILENT or model is None:
            sounds.append(None)
        else:
            checkpoints, steps = model
            asked = _sound_asked(request, told_of(request, scenes, shot), words, picture.file, file)
            sounds.append(GeneratedAudio(picture.number, file, steps, asked, checkpoints, picture.file))
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
    from apps.v2a import checkpoints

    folder = checkpoints.find_folder(name)
    return checkpoints.weight_files(folder), checkpoints.read_defaults(folder).steps


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
