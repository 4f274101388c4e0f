"""A small network that sees when something happens: low-resolution frames, their changes, and time.

It takes the place that Synchformer has beside larger models, behind the same interface.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional

AT_ONCE = 512
"""Frames whose pictures are looked at in one pass."""


class TimeBlock(nn.Module):
    """A residual convolution over time, forward and back."""

    def __init__(self, width: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv_in = nn.Conv1d(width, width, kernel, padding=dilation * (kernel // 2), dilation=dilation)
        self.conv_out = nn.Conv1d(width, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, T, D) to the same shape."""
        update = functional.silu(self.conv_in(self.norm(features).transpose(1, 2)))
        return features + self.conv_out(update).transpose(1, 2)


class SyncEncoder(ModelMixin, ConfigMixin):
    """Frames to one feature for each, which knows the frames around it.

    Each frame comes with its change since the one before, passes strided convolutions down to a few places, and then
    `layers` convolutions over time, each wider than the one before.
    """

    @register_to_config
    def __init__(
        self,
        side: int = 32,
        channels: tuple[int, ...] = (24, 48, 64),
        width: int = 64,
        layers: int = 4,
        kernel: int = 3,
    ) -> None:
        super().__init__()
        widths = (6, *channels)
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=2, padding=1) for before, after in pairwise(widths)
        )
        places = (side // 2 ** len(channels)) ** 2
        self.proj_in = nn.Linear(channels[-1] * places, width)
        self.blocks = nn.ModuleList(TimeBlock(width, kernel, dilation=2**layer) for layer in range(layers))
        self.norm_out = nn.LayerNorm(width)

    def forward(self, frames: Tensor) -> Tensor:
        """Map frames (B, T, side, side, 3), uint8, to features (B, T, width)."""
        pixels = frames.movedim(-1, 2).to(self.dtype) / 127.5 - 1
        changes = pixels.diff(dim=1, prepend=pixels[:, :1])
        pictures = torch.cat([pixels, changes], dim=2).flatten(0, 1)
        seen = torch.cat([self._look(part) for part in pictures.split(AT_ONCE)])
        features = seen.unflatten(0, frames.shape[:2])
        for block in self.blocks:
            features = block(features)
        return self.norm_out(features)

    def _look(self, pictures: Tensor) -> Tensor:
        """Map (N, 6, side, side) to (N, width)."""
        for conv in self.convs:
            pictures = functional.silu(conv(pictures))
        return self.proj_in(pictures.flatten(1))
