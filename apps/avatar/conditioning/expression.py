"""The implicit expression encoder: what a face shows, without who it is.

It stands in the place of VASA's (arXiv 2412.03603, section "Expression-Driven"): a network that maps the crop of a face
to a vector, trained so that the same expression on different faces gives the same vector.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from foundation.models.stored import StoredModel

CROP_MARGIN = 0.1
"""Share of the face's size that its crop reaches beyond the box, on every side."""


class ExpressionEncoder(StoredModel, ConfigMixin):
    """Crops of faces to expression vectors.

    Args:
        crop_size: width and height of a crop in pixels, a power of two from 16.
        width: channels of the first level; every level of half the size has as many more.
        embedding_dim: D_e of a vector, of unit length times the root of D_e.
    """

    _supports_gradient_checkpointing = False

    @register_to_config
    def __init__(self, crop_size: int = 64, width: int = 24, embedding_dim: int = 64) -> None:
        super().__init__()
        levels = int(np.log2(crop_size)) - 2
        channels = [3, *(width * (level + 1) for level in range(levels))]
        self.levels = nn.ModuleList(
            nn.Conv2d(before, after, 4, stride=2, padding=1) for before, after in pairwise(channels)
        )
        self.norms = nn.ModuleList(nn.GroupNorm(4, count) for count in channels[1:])
        self.head = nn.Linear(channels[-1] * 16, embedding_dim)

    def forward(self, crops: Tensor) -> Tensor:
        """(B, 3, s, s) in [-1, 1] -> (B, D_e)."""
        hidden = crops
        for level, norm in zip(self.levels, self.norms, strict=True):
            hidden = functional.silu(norm(level(hidden)))
        vectors = self.head(hidden.flatten(1))
        return functional.normalize(vectors, dim=-1) * vectors.shape[-1] ** 0.5


def crop_faces(frames: NDArray[np.uint8], boxes: NDArray[np.floating], size: int) -> Tensor:
    """Square crops of one face in every frame.

    Args:
        frames: (F, H, W, 3) uint8.
        boxes: (F, 4) x0, y0, x1, y1 in pixels.
        size: width and height of the crops in pixels.

    Returns:
        (F, 3, size, size) float32 in [-1, 1]; what lies outside of the picture repeats its border.
    """
    pixels = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 127.5 - 1
    height, width = frames.shape[1:3]
    bounds = torch.from_numpy(np.asarray(boxes, np.float32))
    middle = (bounds[:, :2] + bounds[:, 2:]) / 2
    half = (bounds[:, 2:] - bounds[:, :2]).amax(1, keepdim=True) * (0.5 + CROP_MARGIN)
    steps = (torch.arange(size) + 0.5) / size * 2 - 1
    x = (middle[:, :1] + half * steps) / width * 2 - 1
    y = (middle[:, 1:] + half * steps) / height * 2 - 1
    grid = torch.stack([x[:, None].expand(-1, size, -1), y[:, :, None].expand(-1, -1, size)], dim=-1)
    return functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
