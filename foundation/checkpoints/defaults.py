"""What a model folder says beside the weights when the user says nothing; read without torch."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from foundation.models.geometry import LARGEST_SIDE, MOST_FRAMES
from shared.config import Size, shorten
from shared.errors import WeightsError


@dataclass(frozen=True)
class ModelDefaults:
    """What a model folder says when the user says nothing."""

    fps: float
    size: Size
    frames: int
    steps: int
    shift: float | Literal["auto"]
    cfg: float
    guidance: float | None


TRAINING_FILE = "training.json"
"""Beside a part's weights: the settings of the recipe's runs that made them, in order."""

DEFAULTS_FILE = "kinora.json"
"""What a model folder says about sizes, rates, steps and guidance; without it the 13B weights' values hold."""

HUNYUANVIDEO = ModelDefaults(
    fps=24.0, size=Size(1280, 720), frames=129, steps=50, shift=7.0, cfg=1.0, guidance=6.0
)


def read_defaults(folder: Path, shift: float | Literal["auto"] = HUNYUANVIDEO.shift) -> ModelDefaults:
    """A folder's `kinora.json`, or the 13B weights' values.

    Args:
        folder: of the model.
        shift: of the scheduler's configuration, where shifts belong.

    Raises:
        WeightsError: the file is damaged.
    """
    path = folder / DEFAULTS_FILE
    if not path.exists():
        return dataclasses.replace(HUNYUANVIDEO, shift=shift)
    try:
        values = json.loads(path.read_text())
        size = Size(*values.pop("size"))
        guidance = values.pop("guidance", None)
        told = ModelDefaults(**values, size=size, shift=shift, guidance=guidance)
        _check(told)
        return told
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise WeightsError(f"{path} is damaged: {error}") from error


def _check(told: ModelDefaults) -> None:
    """Hold the numbers to what a request may ask for.

    Raises:
        ValueError: one is out of its bounds, or no number.
    """
    bounds: tuple[tuple[str, object, float, float], ...] = (
        ("fps", told.fps, 0.1, 1000),
        *(("size", side, 1, LARGEST_SIDE) for side in told.size),
        ("frames", told.frames, 1, MOST_FRAMES),
        ("steps", told.steps, 1, 1000),
        ("cfg", told.cfg, 0, 100),
        ("guidance", 0 if told.guidance is None else told.guidance, 0, 100),
    )
    for name, value, low, high in bounds:
        whole = name in ("size", "frames", "steps")
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            raise ValueError(f"{name} is {shorten(value)}; a {'whole ' if whole else ''}number is expected")
        if not low <= value <= high:
            raise ValueError(f"{name} is {shorten(value)}; {low} to {high} is expected")
