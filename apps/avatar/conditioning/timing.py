"""Which moments belong to which latent frame, under the VAE's causal grouping of 1 + 4k frames."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FRAME_STRIDE = 4
"""Frames of a latent frame; the first latent frame has one alone."""


def latent_frames(frames: int) -> int:
    """Latent frames of a clip of 4k + 1 frames."""
    return (frames - 1) // FRAME_STRIDE + 1


def group_frames(values: Tensor) -> Tensor:
    """Per-frame values in the groups of the latent frames; the first frame stands alone and is repeated.

    Args:
        values: (B, F, ...) with F = 4k + 1.

    Returns:
        (B, T, 4, ...).
    """
    first = values[:, :1].expand(-1, FRAME_STRIDE - 1, *values.shape[2:])
    return torch.cat([first, values], dim=1).unflatten(1, (-1, FRAME_STRIDE))


def latent_intervals(frames: int, fps: float) -> NDArray[np.float64]:
    """Beginning and end in seconds of every latent frame: (T, 2); frame i is shown from i / fps on."""
    ends = np.arange(1, frames + 1, FRAME_STRIDE) / fps
    starts = ends - FRAME_STRIDE / fps
    starts[0] = 0.0
    return np.stack([starts, ends], axis=1)


def sample_steps(
    features: Tensor, rate: float, frames: int, fps: float, steps: int, context: float
) -> Tensor:
    """Features around every latent frame of a clip of any frame rate.

    The interval of each latent frame is widened by `context` seconds on both sides and sampled in the middle of S equal
    parts, linearly between the features.

    Args:
        features: (N, ...), feature i stands for the time (i + 1/2) / rate.
        rate: features per second.
        frames: F = 4k + 1 frames of the clip.
        fps: frames per second.
        steps: S, times per latent frame.
        context: seconds.

    Returns:
        (T, S, ...); before the first and after the last feature their values hold on.
    """
    spans = latent_intervals(frames, fps) + np.array([-context, context])
    parts = (np.arange(steps) + 0.5) / steps
    times = torch.from_numpy(spans[:, :1] + parts * np.ptp(spans, axis=1, keepdims=True))
    places = (times * rate - 0.5).clamp(0, len(features) - 1)
    below = places.floor().long()
    above = (below + 1).clamp(max=len(features) - 1)
    share = (places - below).to(features.dtype).view(*places.shape, *[1] * (features.ndim - 1))
    return torch.lerp(features[below], features[above], share.expand_as(features[below]))
