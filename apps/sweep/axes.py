"""From words such as `seed=1,2,3` to every combination, each with a request and a name."""

from __future__ import annotations

import itertools
import math
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from apps.commands import Command
from apps.film.shot_cache import key_of
from foundation.runtime.settings import RuntimeSettings
from foundation.t2v.request import prompt_lines
from shared.config import Size, from_mapping, kinds, near_miss, settings, shorten, to_mapping
from shared.errors import InputError
from shared.media.naming import slug

MOST = 10_000
"""Combinations."""

LONGEST_NAME = 180
"""Bytes of a file's name before its hash."""

LISTED = (int, float, bool, Size, Literal)
"""Kinds of settings whose values stand in one word, with commas between; texts and files have commas of their own."""

ELSEWHERE = {
    "out": "a sweep names its files itself: give --out FOLDER",
    "count": "give a list of seeds: seed=1,2,3",
    "prompts": "give the file's lines: prompt=@FILE",
    "shot": "a sweep makes whole films: leave it out",
}
"""Settings that a sweep does not take, and what to give instead."""

LOADING = (
    "model",
    "base",
    "vae",
    "text_encoder",
    "text_encoder_2",
    "lora",
    "condition_type",
    "image_model",
    "sound_model",
    *settings(RuntimeSettings),
)
"""Settings that decide which model is loaded: they change least often."""


@dataclass(frozen=True)
class Combination:
    """One run of a sweep.

    Attributes:
        values: setting -> value, as it was written.
        request: the command's.
        file: what it makes.
    """

    values: Mapping[str, str]
    request: Any
    file: Path


def read_axes(schema: type[Any], words: Sequence[str]) -> dict[str, list[str]]:
    """Settings and the list of values of each, in the order of the words; a word that comes again adds values.

    `seed=1,2,3` lists numbers, sizes and choices; texts and files are given one to a word; `prompt=@FILE` takes the
    lines of a file, and `image=FOLDER` the pictures of a folder.

    Raises:
        InputError: a word of another form, an unknown setting, or one that a sweep does not take.
    """
    known = settings(schema)
    axes: dict[str, list[str]] = {}
    for word in words:
        key, sign, value = word.partition("=")
        name = key.replace("-", "_")
        if not sign or not value:
            raise InputError(f"{shorten(word)}: KEY=VALUE is wanted, such as seed=1,2,3")
        if name in ELSEWHERE:
            raise InputError(f"{name}: {ELSEWHERE[name]}")
        if name not in known:
            raise InputError(f"unknown setting {shorten(key)}{near_miss(name, known)}")
        found = axes.setdefault(name, [])
        found += [one for one in _values(schema, name, value) if one not in found]
    return axes


def combinations(command: Command, axes: Mapping[str, list[str]], folder: Path) -> list[Combination]:
    """Every combination, those that load the same model in a row.

    Raises:
        InputError: too many, or one that the command refuses; the line names it.
    """
    total = math.prod(map(len, axes.values()))
    if total > MOST:
        raise InputError(f"{total} combinations are more than {MOST}: sweep fewer values")
    ordered = sorted(axes, key=lambda name: name not in LOADING)
    schema = command.schema()
    made = []
    for values in itertools.product(*(axes[name] for name in ordered)):
        told = dict(zip(ordered, values, strict=True))
        varied = {name: told[name] for name in axes if len(axes[name]) > 1}
        made.append(_combination(schema, told, varied, folder))
    return made


def _combination(
    schema: type[Any], told: dict[str, str], varied: dict[str, str], folder: Path
) -> Combination:
    given = {name: (value,) if _is_list(schema, name) else value for name, value in told.items()}
    try:
        request = from_mapping(schema, given)
        if getattr(request, "format", None) == "png" and request.frames != 1:
            raise InputError("format png is for frames=1 here: a run of a sweep is one file")
        file = folder / f"{_name(request, varied)}{suffix_of(request)}"
        return Combination(told, from_mapping(schema, {**given, "out": file}), file)
    except InputError as error:
        named = ", ".join(f"{name}={shorten(value, 30)}" for name, value in varied.items())
        raise InputError(f"{named}: {error}" if named else str(error)) from None


def _name(request: Any, varied: Mapping[str, str]) -> str:
    """What differs between the files of a sweep, for people, and a hash of all settings and media."""
    values = {name: getattr(request, name) for name in settings(type(request))}
    files = {name: value for name, value in values.items() if isinstance(value, Path) and value.is_file()}
    told = {name: value for name, value in to_mapping(request, local=True).items() if name not in files}
    digest = key_of(told, files)[:8]
    words = [_word(name, text, values[name]) for name, text in varied.items()]
    named = "_".join(words or [slug(str(values.get("prompt") or "run"))])
    return f"{named.encode()[:LONGEST_NAME].decode(errors='ignore')}-{digest}"


def _word(name: str, text: str, value: Any) -> str:
    """A value in a file's name: a prompt speaks for itself, a file is called what it is called."""
    told = slug(Path(text).stem if isinstance(value, Path) else text)
    return told if name == "prompt" else f"{name}-{told}"


def _values(schema: type[Any], name: str, text: str) -> list[str]:
    if text.startswith("@"):
        return [line for _, line in prompt_lines(Path(text[1:]), name)]
    if name == "image" and Path(text).is_dir():
        from apps.i2v.conditioning.images import pictures_in

        return [str(file) for file in pictures_in(Path(text))]
    if all((typing.get_origin(kind) or kind) in LISTED for kind in kinds(schema, name)):
        return [one.strip() for one in text.split(",") if one.strip()]
    return [text]


def _is_list(schema: type[Any], name: str) -> bool:
    return typing.get_origin(kinds(schema, name)[0]) is tuple


def suffix_of(request: Any) -> str:
    """The suffix of the one file that a request makes."""
    from apps.v2a.request import VideoToAudioRequest

    if isinstance(request, VideoToAudioRequest):
        own = "" if request.video is None else request.video.suffix.lower()
        return {"": ".wav", ".mkv": ".mkv", ".webm": ".mkv"}.get(own, ".mp4")
    still = request.frames == 1
    return f".{getattr(request, 'format', None) or ('png' if still else 'mp4')}"
