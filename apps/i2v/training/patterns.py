"""Which latent frames of a clip training gives to the model: all the ways in which people will.

A picture is given as the VAE codes it on its own, as one frame. At latent frame t > 0, which holds frames 4t - 3 to
4t, that is frame 4t. What goes on from a clip is given that clip's own latents instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from apps.i2v.conditioning.extension import MOST_CONTINUED
from apps.i2v.training.config import PatternShares

MOST_KEYFRAMES = 4

DEFAULT_SHARES = PatternShares()


@dataclass(frozen=True)
class Pattern:
    """What is given of one window of a clip.

    Attributes:
        start: latent frame of the clip at which the window starts.
        pictures: latent frames of the window, rising, that are given as pictures.
        continued: how many latent frames at the window's beginning are given as they are in the clip.
    """

    start: int = 0
    pictures: tuple[int, ...] = ()
    continued: int = 0

    def given(self, window: int) -> Tensor:
        """(window,) bool, True where a latent frame is given."""
        mask = torch.zeros(window, dtype=torch.bool)
        mask[: self.continued] = True
        mask[list(self.pictures)] = True
        return mask


def draw_pattern(
    generator: np.random.Generator, frames: int, window: int, shares: PatternShares = DEFAULT_SHARES
) -> Pattern:
    """One sample's pattern, by chance.

    Args:
        generator: the sample's own.
        frames: latent frames of the clip.
        window: latent frames that are trained on, at most `frames`. Windows inside the clip, without its first
            latent frame, are those that continue it; they need a clip longer than the window.
        shares: of the patterns.

    Returns:
        The first picture; both ends; 1 to 4 keyframes; or the first 1 to 3 latent frames of an interior window.
        At least one latent frame is not given, except where the window has one alone.
    """
    spare = max(window - 1, 1)
    weights = np.array(shares.as_list())
    kind = int(generator.choice(len(weights), p=weights / weights.sum()))
    if kind == 0 or window == 1:
        return Pattern(pictures=(0,))
    if kind == 1:
        return Pattern(pictures=(0, window - 1) if window > 2 else (window - 1,))
    if kind == 2:
        count = int(generator.integers(1, min(MOST_KEYFRAMES, spare) + 1))
        return Pattern(pictures=tuple(sorted(generator.choice(window, count, replace=False).tolist())))
    start = int(generator.integers(1, frames - window + 1)) if frames > window else 0
    return Pattern(start, continued=int(generator.integers(1, min(MOST_CONTINUED, spare) + 1)))


def windowed(clip: Tensor, pictures: Tensor, pattern: Pattern, window: int) -> tuple[Tensor, Tensor]:
    """The window of a clip that a pattern speaks of, and what is known of it.

    Args:
        clip: (C, T, h, w) latents.
        pictures: (C, T, h, w), latent frame t that of frame 4t coded on its own.
        pattern: what is given.
        window: latent frames to train on.

    Returns:
        Twice (C, window, h, w): the clip's latents, and the same with pictures where pictures are given.
    """
    part = slice(pattern.start, pattern.start + window)
    target = clip[:, part]
    known = target.clone()
    at = list(pattern.pictures)
    known[:, at] = pictures[:, part][:, at]
    return target, known
