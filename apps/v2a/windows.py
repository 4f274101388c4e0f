"""Sounds longer than the model's own length: overlapping windows whose velocities are blended at every step.

All windows move one and the same noise, so what they share stays one sound, and a join is nowhere. Source: Bar-Tal
et al., "MultiDiffusion: Fusing Diffusion Paths for Controlled Image Generation" (2023), along time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from foundation.flow.sampler import Step, Velocity

AT_ONCE = 8
"""Windows in one pass of the model."""


def blended(windows: Sequence[slice], of: Callable[[Sequence[slice]], Velocity]) -> Velocity:
    """The velocity of a whole sound from that of its windows.

    Args:
        windows: of one length, in their order, overlapping; they cover the sound.
        of: the guided velocity of some windows, one to a row.

    Returns:
        A velocity of latents (1, C, T, K).
    """
    groups = [windows[start : start + AT_ONCE] for start in range(0, len(windows), AT_ONCE)]
    flows = [of(group) for group in groups]
    shares = window_shares(windows)

    def velocity(latents: Tensor, step: Step) -> Tensor:
        whole = torch.zeros_like(latents)
        place = 0
        for group, flow in zip(groups, flows, strict=True):
            rows = flow(torch.cat([latents[:, :, window] for window in group]), step)
            for window, row in zip(group, rows.to(whole.dtype), strict=True):
                whole[0, :, window] += row * shares[place].to(whole)[:, None]
                place += 1
        return whole

    return velocity


def window_shares(windows: Sequence[slice]) -> list[Tensor]:
    """How much of each token (n,) every window gives: ramps over the overlaps, which sum to 1 everywhere."""
    length = windows[-1].stop
    ramps = []
    for window, before, after in zip(windows, [None, *windows], [*windows[1:], None], strict=False):
        ramp = torch.ones(window.stop - window.start, dtype=torch.float64)
        if before is not None:
            shared = before.stop - window.start
            ramp[:shared] = rising(shared)
        if after is not None:
            shared = window.stop - after.start
            ramp[-shared:] *= rising(shared).flip(0)
        ramps.append(ramp)
    total = torch.zeros(length, dtype=torch.float64)
    for window, ramp in zip(windows, ramps, strict=True):
        total[window] += ramp
    return [(ramp / total[window]).float() for window, ramp in zip(windows, ramps, strict=True)]


def rising(length: int) -> Tensor:
    """(length,) a straight way from 0 to 1, neither of them reached."""
    return (torch.arange(length, dtype=torch.float64) + 1) / (length + 1)
