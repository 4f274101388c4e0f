"""Noise levels of a run: where the steps from noise to data are taken."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor

from shared.errors import InputError

Level = TypeVar("Level", float, Tensor)

AUTO_SHIFT_FEW = (20, 17.0)
AUTO_SHIFT_MANY = (50, 7.0)
"""Steps and shift between which the paper's rule is read as linear."""

LINEAR_QUADRATIC_EMULATED = 1000
"""Steps of the linear schedule whose beginning the linear-quadratic one copies."""


def shifted(sigma: Level, shift: float) -> Level:
    """Move noise levels towards noise: k s / (1 + (k - 1) s) (paper, "Inference step reduction").

    Args:
        sigma: in [0, 1].
        shift: k > 0; 1 changes nothing.
    """
    return shift * sigma / (1 + (shift - 1) * sigma)


def flow_sigmas(steps: int, shift: float) -> Tensor:
    """Evenly spaced noise levels, shifted.

    Args:
        steps: at least 1.
        shift: k > 0.

    Returns:
        (steps + 1,) float32 on the CPU, from exactly 1 down to exactly 0.

    Raises:
        InputError: steps or shift out of range.
    """
    _check(steps)
    if not 0 < shift < float("inf"):
        raise InputError(f"shift is {shift}; it must be a positive number")
    sigmas = shifted(torch.linspace(1, 0, steps + 1), shift)
    # The fraction may round to the neighbour of 1, and a run begins at pure noise.
    sigmas[0] = 1
    return sigmas


def auto_shift(steps: int) -> float:
    """The paper's shift for a number of steps: 17 below 20, 7 from 50 on, linear between.

    Raises:
        InputError: no steps.
    """
    _check(steps)
    (few, high), (many, low) = AUTO_SHIFT_FEW, AUTO_SHIFT_MANY
    part = min(max((steps - few) / (many - few), 0.0), 1.0)
    return high + (low - high) * part


def linear_quadratic_sigmas(steps: int) -> Tensor:
    """MovieGen's schedule: half of the steps as small as those of 1000, the rest growing quadratically.

    The two halves meet with equal slope. It stands here for comparison; the paper finds the shift better.

    Args:
        steps: between 1 and 1000.

    Returns:
        (steps + 1,) float32 on the CPU, from exactly 1 down to exactly 0.

    Raises:
        InputError: steps out of range.
    """
    _check(steps)
    if steps > LINEAR_QUADRATIC_EMULATED:
        raise InputError(f"steps is {steps}; linear-quadratic takes at most {LINEAR_QUADRATIC_EMULATED}")
    index = torch.arange(steps + 1, dtype=torch.float64)
    linear = steps // 2
    rest = 1 - steps / LINEAR_QUADRATIC_EMULATED
    progress = (
        index / LINEAR_QUADRATIC_EMULATED + rest * ((index - linear).clamp(min=0) / (steps - linear)) ** 2
    )
    sigmas = (1 - progress).float()
    sigmas[-1] = 0
    return sigmas


def _check(steps: int) -> None:
    if steps < 1:
        raise InputError(f"steps is {steps}; it must be 1 or more")
