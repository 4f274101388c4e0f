"""The one loop that turns noise into data, for every application.

Euler steps on the flow's ordinary differential equation, in float32 (spec section 4, "step").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from shared.errors import ConfigError, InputError


class Cancelled(Exception):
    """Raise it in `on_step` to end a run; the sampler lets it, like any exception, pass through."""


@dataclass(frozen=True)
class Step:
    """Where a run stands.

    Attributes:
        index: of this step, from 0.
        total: number of steps.
        sigma: noise level at which this step starts.
    """

    index: int
    total: int
    sigma: float


Velocity = Callable[[Tensor, Step], Tensor]
"""Maps float32 latents and a step to their velocity (noise minus data), in any floating dtype."""

OnStep = Callable[[Step, Tensor, Tensor], None]
"""Is told after each step: the step, the latents that it led to, and the present guess of the clean ones."""


@runtime_checkable
class ResumableCallback(Protocol):
    """An `on_step` that knows of a run which was broken off, and where it goes on."""

    def __call__(self, step: Step, latents: Tensor, denoised: Tensor) -> None:
        """See `OnStep`."""
        ...

    def resume(self, noise: Tensor, sigmas: Tensor) -> tuple[Tensor, int]:
        """The latents to start from, and the index of the first step: `(noise, 0)` for a run that is new."""
        ...


@torch.no_grad()
def sample(
    velocity: Velocity, noise: Tensor, sigmas: Tensor, on_step: OnStep | None = None, start: int = 0
) -> Tensor:
    """Walk from noise to data.

    Args:
        velocity: the model under its guidance.
        noise: latents at the level sigmas[start]: pure noise at the beginning; to go on with a run, what
            `on_step` was given at step start - 1, or data brought to that level.
        sigmas: (steps + 1,) falling noise levels, on the CPU.
        on_step: progress, preview and cancellation; its `denoised` is latents - sigma * velocity. One that is
            `ResumableCallback` decides where a run from the beginning starts.
        start: index of the first step to take.

    Returns:
        Latents at the last noise level, float32, in noise's shape.

    Raises:
        InputError: sigmas that do not fall, or a start outside of them.
        ConfigError: latents that stop being finite; the run ends at that step.
    """
    levels, deltas = _levels(sigmas)
    total = len(deltas)
    if not 0 <= start <= total:
        raise InputError(f"start is {start}; it must be between 0 and the {total} steps")
    if start == 0 and isinstance(on_step, ResumableCallback):
        noise, start = on_step.resume(noise, sigmas)
    latents = noise.float()
    for index in range(start, total):
        step = Step(index, total, levels[index])
        flow = velocity(latents, step)
        moved = torch.add(latents, flow.float(), alpha=deltas[index])
        _check_finite(moved, step, flow.dtype)
        if on_step is not None:
            on_step(step, moved, torch.sub(latents, flow.float(), alpha=step.sigma))
        latents = moved
    return latents


def hold_frames(velocity: Velocity, count: int) -> Velocity:
    """Keep the first `count` latent frames as they are, by giving them no velocity.

    Args:
        velocity: what moves the rest.
        count: 0 or more.
    """
    if count < 0:
        raise InputError(f"the number of held frames is {count}; it must be 0 or more")

    def held(latents: Tensor, step: Step) -> Tensor:
        flow = velocity(latents, step).clone()
        flow[:, :, :count] = 0
        return flow

    return held if count else velocity


def lead_frames(velocity: Velocity, noise: Tensor, known: Tensor) -> Velocity:
    """Lead the first latent frames straight to what is known of them, as in training, where both ends are known.

    Args:
        velocity: what moves the rest.
        noise: (B, C, T, h, w), where sampling starts, at sigma 1.
        known: (B, C, n, h, w), the first n frames of the result.
    """
    count = known.shape[2]
    straight = noise[:, :, :count].float() - known.float()

    def led(latents: Tensor, step: Step) -> Tensor:
        flow = velocity(latents, step).clone()
        flow[:, :, :count] = straight
        return flow

    return led


def _levels(sigmas: Tensor) -> tuple[list[float], list[float]]:
    """Noise levels and the float32 distances between them, read once before the loop."""
    sigmas = sigmas.float().cpu()
    deltas = sigmas.diff()
    if sigmas.ndim != 1 or len(sigmas) < 2 or not bool((deltas < 0).all()):
        raise InputError(f"sigmas are {sigmas.tolist()}; they must be two or more falling noise levels")
    return sigmas.tolist(), deltas.tolist()


def _check_finite(latents: Tensor, step: Step, dtype: torch.dtype) -> None:
    """Stop at the first latent that is no number: every later step, and the clip, would be worthless.

    The extremes are one pass without a copy, and the only thing in the loop that waits for the device.

    A configuration error, because the remedy is a setting: a dtype with the model's range, or less guidance.
    """
    low, high = torch.aminmax(latents)
    if not bool(torch.isfinite(torch.stack((low, high))).all()):
        advice = "" if dtype in (torch.bfloat16, torch.float32) else "use bfloat16 or float32, "
        raise ConfigError(
            f"latents are not finite after step {step.index + 1} of {step.total}, sigma {step.sigma:.4f}; "
            f"the velocity was {str(dtype).removeprefix('torch.')}; {advice}lower the guidance, or "
            "check the weights and LoRAs"
        )
