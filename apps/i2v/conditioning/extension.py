"""A clip goes on in windows: each is given the end of what there is, and adds what comes after.

Latents are joined, never pixels: coding pixels again at every join is what makes long clips drift in colour.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from shared.errors import InputError

MakeWindow = Callable[[Tensor, slice], Tensor]
"""Maps the given latents (1, C, n, h, w) and the window's place in the finished clip to the window's latents."""


MOST_CONTINUED = 3
"""Latent frames of a clip that its continuation sees at most."""


def context_of(frames: int, window: int) -> int:
    """How many latent frames a window is given of a clip.

    The clip's first latent frame holds one frame where others hold four, so it is not among them if there is any
    other.

    Args:
        frames: latent frames of the clip.
        window: latent frames of the window.

    Raises:
        InputError: a window that adds nothing.
    """
    if window < 2:
        raise InputError(f"a window of {window} latent frame adds nothing to a clip; 2 or more are needed")
    return min(MOST_CONTINUED, window - 1, max(frames - 1, 1))


def extended_frames(frames: int, window: int, times: int) -> int:
    """Latent frames of a clip that was extended some times."""
    for _ in range(times):
        frames += window - context_of(frames, window)
    return frames


def extended(latents: Tensor, make: MakeWindow, window: int, times: int) -> Tensor:
    """Extend a clip.

    Args:
        latents: (1, C, T, h, w), normalised; they stand unchanged at the beginning of the result.
        make: makes one window, which begins with what it was given.
        window: latent frames of a window.
        times: how many windows.

    Returns:
        (1, C, T', h, w) with T' of `extended_frames`.
    """
    for _ in range(times):
        frames = latents.shape[2]
        start = frames - context_of(frames, window)
        made = make(latents[:, :, start:], slice(start, start + window))
        latents = torch.cat([latents, made[:, :, frames - start :]], dim=2)
    return latents
