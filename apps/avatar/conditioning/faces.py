"""Where the faces are: boxes in pixels, smoothed in time, to masks over the video tokens."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from apps.avatar.conditioning.timing import FRAME_STRIDE
from shared.errors import InputError

MARGIN = 0.15
"""Share of a face's width and height that the mask reaches beyond its box, on every side."""

SMOOTHING = 0.08
"""Seconds over which boxes are averaged."""

Boxes = NDArray[np.float32]
"""(F, 4) x0, y0, x1, y1 in pixels, one row per frame."""


def smooth_boxes(boxes: Boxes, fps: float) -> Boxes:
    """Boxes without the detector's jitter."""
    if len(boxes) == 1:
        return boxes
    return gaussian_filter1d(boxes, SMOOTHING * fps, axis=0, mode="nearest").astype(np.float32)


def face_mask(boxes: Boxes, size: tuple[int, int], cell: int) -> Tensor:
    """Which video tokens show a face, by latent frame.

    A latent frame of several frames takes the union of their boxes, so that a face that moves stays inside.

    Args:
        boxes: (F, 4) with F = 4k + 1, or (1, 4) for a face that stays where it is.
        size: width and height of the clip in pixels.
        cell: pixels that a video token is wide and high.

    Returns:
        (T, h, w) float32, 0 to 1: the share of a token that the face covers.

    Raises:
        InputError: a box outside of the picture, or without area.
    """
    width, height = size
    if (boxes[:, 2:] <= boxes[:, :2]).any() or not np.isfinite(boxes).all():
        raise InputError(f"a face of box {boxes[0].tolist()}: x0 < x1 and y0 < y1 expected")
    if (boxes[:, 2:] <= 0).any() or (boxes[:, 0] >= width).any() or (boxes[:, 1] >= height).any():
        raise InputError(f"a face of box {boxes[0].tolist()} lies outside of the {width}x{height} picture")
    extent = np.tile((boxes[:, 2:] - boxes[:, :2]) * MARGIN, 2) * np.array([-1, -1, 1, 1])
    wide = boxes + extent
    groups = np.concatenate([np.repeat(wide[:1], FRAME_STRIDE - 1, 0), wide]).reshape(-1, FRAME_STRIDE, 4)
    union = np.concatenate([groups[..., :2].min(1), groups[..., 2:].max(1)], axis=1)
    columns = _coverage(union[:, 0], union[:, 2], width // cell, cell)
    rows = _coverage(union[:, 1], union[:, 3], height // cell, cell)
    return torch.from_numpy(rows[:, :, None] * columns[:, None, :]).float()


def mask_tokens(mask: Tensor, frames: int) -> Tensor:
    """A mask (T or 1, h, w) as the blocks take it: (1, N, 1)."""
    return mask.expand(frames, -1, -1).reshape(1, -1, 1)


def _coverage(starts: NDArray, ends: NDArray, cells: int, cell: int) -> NDArray[np.float64]:
    """(T, cells): the share of every cell between start and end."""
    edges = np.arange(cells) * cell
    covered = np.minimum(ends[:, None], edges + cell) - np.maximum(starts[:, None], edges)
    return np.clip(covered / cell, 0, 1)
