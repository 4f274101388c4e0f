"""Models to choose from: which are on this machine, and which of them fit it. Nothing is loaded, torch stays out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from foundation.checkpoints.defaults import DEFAULTS_FILE, HUNYUANVIDEO, ModelDefaults, read_defaults
from foundation.checkpoints.registry import KNOWN, STARTER, WEIGHT_SUFFIXES, find_parts, here
from foundation.checkpoints.vocabulary import describe_unknown
from foundation.runtime.estimate import RELEASED_MODEL, Clip, ModelMemory, estimate, read_model
from foundation.runtime.preflight import GIGABYTE, fitting_options, gpu_memory, main_memory
from foundation.runtime.settings import RuntimeSettings
from shared.config import RELEASED_SIZES
from shared.errors import KinoraError, WeightsError

APPS = ("i2v",)
"""Folders of a model that make clips by weights of their own beside the model's."""

PICTURED = ("transformer", *APPS)
"""Folders of a model that draw what a prompt says."""

DECIDED = ("frames", "seconds", "steps", "cfg", "guidance")
"""Numbers that a model decides where nothing is set, beside its size."""


def choices(names: Iterable[str]) -> list[tuple[str, str]]:
    """Labels and names of models; the labels say what each would take of this machine."""
    found = here()
    return [(f"{name} · {_about(name, found.get(name))}", name) for name in names]


def defaults(name: Any, part: str = "") -> ModelDefaults | None:
    """What a model decides where nothing is set; None for a model that is not in the list, or is damaged.

    Args:
        name: as in the list.
        part: the folder of the model that an app takes, which may have defaults of its own.
    """
    if not isinstance(name, str):
        return None
    folder = here().get(name)
    if folder is None:
        return HUNYUANVIDEO if name in KNOWN else None
    own = folder / part
    try:
        return read_defaults(own if (own / DEFAULTS_FILE).is_file() else folder)
    except WeightsError:
        return None


def placeholders(said: ModelDefaults | None) -> dict[str, str]:
    """What fields without a value show: what the model decides, by setting."""
    if said is None:
        return dict.fromkeys(DECIDED, "the model's")
    values = {name: getattr(said, name, None) for name in DECIDED} | {"seconds": said.frames / said.fps}
    return {name: "the model's" if value is None else f"{value:.4g}" for name, value in values.items()}


def sizes(said: ModelDefaults | None) -> list[tuple[str, str]]:
    """Labels and values of the sizes to choose from: the model's default, and what it was released for."""
    if said is None:
        return [("the model's", "")]
    released = RELEASED_SIZES if said.size == HUNYUANVIDEO.size else {}
    return [
        (f"{said.size}, the model's", ""),
        *(
            (f"{shape}, {name} · {size}", str(size))
            for name, shapes in released.items()
            for shape, size in shapes.items()
        ),
    ]


def describe_beyond(settings: Mapping[str, Any], part: str) -> str | None:
    """One line about the words of a form's prompt that its model was never trained on; None where there are none.

    Args:
        settings: what the form asks for; a prompt that is rewritten first is left to the job.
        part: the folder of the model that makes the clip.
    """
    prompt = settings.get("prompt")
    told: dict[str, Any] = {"model": STARTER.name, "rewrite": "off", **settings}
    if not isinstance(prompt, str) or told["rewrite"] != "off" or told.get("lora"):
        return None
    try:
        parts = find_parts(told["model"], told.get("base"), part if part in APPS else None)
    except KinoraError:  # the job says it
        return None
    return describe_unknown(parts, [prompt])


def check_starter(part: str) -> None:
    """Find out whether the starter weights can do something.

    Args:
        part: the folder of theirs that it takes.

    Raises:
        WeightsError: it is not there.
    """
    if not (STARTER / part).is_dir():
        raise WeightsError(
            f"the starter weights cannot do this yet: {STARTER.name}/{part} is missing; kinora train {part} makes it, "
            "or choose another model"
        )


def fitting(model: ModelMemory, clip: Clip, main: float, gpu: float | None) -> str:
    """Whether a model can make a clip on a machine, and with which options.

    Args:
        model: what is run.
        clip: the size and length that are its own.
        main: bytes of main memory.
        gpu: bytes of the GPU's own memory; None without one.
    """
    if gpu is None:
        needed = estimate(model, clip, RuntimeSettings(), gpu=False).peak
        if needed <= main:
            return "fits"
        return f"needs {needed / GIGABYTE:.0f} GB of memory, {main / GIGABYTE:.0f} are here"
    options = fitting_options(model, clip, RuntimeSettings(device="cuda"), gpu)
    if options is None:
        return f"needs more than the GPU's {gpu / GIGABYTE:.0f} GB at {clip}: make it smaller or shorter"
    return f"fits with {options}" if options else "fits"


def _about(name: str, folder: Path | None) -> str:
    gpu = gpu_memory()
    if folder is None:
        said = fitting(RELEASED_MODEL, Clip(HUNYUANVIDEO.size, HUNYUANVIDEO.frames), main_memory(), gpu)
        return f"{KNOWN[name].gigabytes} GB, {said}; not here yet: kinora models get {name}"
    size = f"{_size(folder) / GIGABYTE:.2g} GB"
    try:
        own = read_defaults(folder)
        return f"{size}, {fitting(_memory_of(folder), Clip(own.size, own.frames), main_memory(), gpu)}"
    except WeightsError:
        return f"{size}, damaged"


@cache
def _memory_of(folder: Path) -> ModelMemory:
    return read_model(find_parts(str(folder)))


@cache
def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.suffix in WEIGHT_SUFFIXES)
