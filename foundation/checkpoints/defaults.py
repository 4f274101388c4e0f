"""What a model folder says beside the weights when the user says nothing; read without torch."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from foundation.models.geometry import LARGEST_SIDE, MOST_FRAMES
from shared.config import Size, shorten
from shared.errors import WeightsError


@dataclass(frozen=True)
class TrainedRange:
    """Sizes and lengths of the clips that a model was trained on.

    Attributes:
        smallest: width and height with the fewest pixels.
        largest: width and height with the most pixels.
        shortest: frames.
        longest: frames.
    """

    smallest: Size
    largest: Size
    shortest: int
    longest: int

    def warnings(self, size: Size, frames: int) -> list[str]:
        """A line for a size and one for a length that are outside of the range; areas may differ by `AREA_SLACK`."""
        lines = []
        area = math.prod(size)
        if not math.prod(self.smallest) / AREA_SLACK <= area <= math.prod(self.largest) * AREA_SLACK:
            sizes = " to ".join(dict.fromkeys((str(self.smallest), str(self.largest))))
            lines.append(
                f"size {size}: the model was trained at {sizes}; clips of other sizes come out worse"
            )
        if not self.shortest <= frames <= self.longest:
            lengths = f"{self.shortest} to {self.longest}"
            lines.append(f"{frames} frames: the model was trained on {lengths}; other lengths come out worse")
        return lines


@dataclass(frozen=True)
class ModelDefaults:
    """What a model folder says when the user says nothing; `trained` is None where it does not say that."""

    fps: float
    size: Size
    frames: int
    steps: int
    shift: float | Literal["auto"]
    cfg: float
    guidance: float | None
    trained: TrainedRange | None = None


AREA_SLACK = 1.3
"""Buckets of several shapes keep the area of their size about so well."""

TRAINING_FILE = "training.json"
"""Beside a part's weights: the settings of the recipe's runs that made them, in order."""

DEFAULTS_FILE = "kinora.json"
"""What a model folder says about sizes, rates, steps and guidance; without it the 13B weights' values hold."""

HUNYUANVIDEO = ModelDefaults(
    fps=24.0,
    size=Size(1280, 720),
    frames=129,
    steps=50,
    shift=7.0,
    cfg=1.0,
    guidance=6.0,
    trained=TrainedRange(Size(256, 256), Size(1280, 720), 1, 129),
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
        trained = _trained(values.pop("trained", None))
        told = ModelDefaults(**values, size=size, shift=shift, guidance=guidance, trained=trained)
        _check(told)
        return told
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise WeightsError(f"{path} is damaged: {error}") from error


def _trained(told: dict[str, Any] | None) -> TrainedRange | None:
    if told is None:
        return None
    smallest, largest = (Size(*size) for size in told["sizes"])
    shortest, longest = told["frames"]
    return TrainedRange(smallest, largest, shortest, longest)


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
    if told.trained is not None:
        sides = (*told.trained.smallest, *told.trained.largest)
        bounds += tuple(("size", side, 1, LARGEST_SIDE) for side in sides)
        bounds += (
            ("frames", told.trained.shortest, 1, MOST_FRAMES),
            ("frames", told.trained.longest, 1, MOST_FRAMES),
        )
    for name, value, low, high in bounds:
        whole = name in ("size", "frames", "steps")
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            raise ValueError(f"{name} is {shorten(value)}; a {'whole ' if whole else ''}number is expected")
        if not low <= value <= high:
            raise ValueError(f"{name} is {shorten(value)}; {low} to {high} is expected")
