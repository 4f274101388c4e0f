"""Patches, positions, and the vector that tells every block noise level, guidance and pooled prompt."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from foundation.models.transformer.attention import Rope

SINUSOID_DIM = 256
SINUSOID_PERIOD = 10_000.0
SIGNAL_SCALE = 1000.0
"""Noise level and guidance are multiplied by this before their sinusoid."""


class PatchProjection(nn.Conv3d):
    """A convolution whose stride is its kernel, computed as a matrix product over patches.

    Channels beyond `base` are multiplied on their own and added: with zero weights they add exact zeros, so a
    widened model starts out equal to its origin bit for bit, whatever kernel the product picks. It is built
    like any `nn.Conv3d`, because an adapter builds its own layers from the class that it finds.
    """

    base: int | None = None

    def forward(self, input: Tensor) -> Tensor:
        """Map (B, C, T, H, W) to (B, dim, T / pt, H / ph, W / pw)."""
        output = functional.linear(
            self._patches(input[:, : self.base]), self.weight[:, : self.base].flatten(1), self.bias
        )
        if self.base is not None and self.in_channels > self.base:
            beyond = self._patches(input[:, self.base :])
            output = output + functional.linear(beyond, self.weight[:, self.base :].flatten(1))
        return output.movedim(-1, 1)

    def _patches(self, input: Tensor) -> Tensor:
        """Gather (B, T', H', W', c * pt * ph * pw), channels slowest."""
        batch, channels, *sizes = input.shape
        pt, ph, pw = self.kernel_size
        t, h, w = (size // patch for size, patch in zip(sizes, self.kernel_size, strict=True))
        patches = input.reshape(batch, channels, t, pt, h, ph, w, pw).permute(0, 2, 4, 6, 1, 3, 5, 7)
        return patches.reshape(batch, t, h, w, channels * pt * ph * pw)


class PatchEmbedding(nn.Module):
    """Latents to video tokens; time is the slowest axis."""

    def __init__(self, in_channels: int, dim: int, patch: tuple[int, int, int], base: int) -> None:
        super().__init__()
        self.proj = PatchProjection(in_channels, dim, kernel_size=patch, stride=patch)
        self.proj.base = base

    def forward(self, latents: Tensor) -> Tensor:
        """Map (B, C, T, H, W) to (B, N, dim)."""
        return self.proj(latents).flatten(2).transpose(1, 2)


def sinusoid(values: Tensor) -> Tensor:
    """Embed (B,) values as (B, 256) cosines then sines, in float32."""
    half = SINUSOID_DIM // 2
    steps = torch.arange(half, device=values.device, dtype=torch.float32)
    angles = values.float()[:, None] * torch.exp(steps * (-math.log(SINUSOID_PERIOD) / half))
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


class VectorEmbedding(nn.Module):
    """Linear, SiLU, linear."""

    def __init__(self, in_dim: int, dim: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(in_dim, dim)
        self.linear_2 = nn.Linear(dim, dim)

    def forward(self, vector: Tensor) -> Tensor:
        """Map (B, in_dim) to (B, dim)."""
        return self.linear_2(functional.silu(self.linear_1(vector)))


class SignalEmbedding(nn.Module):
    """The conditioning signal: noise level + guidance + pooled text (spec section 1.3)."""

    def __init__(self, dim: int, pooled_dim: int, guidance: bool = False) -> None:
        super().__init__()
        self.timestep_embedder = VectorEmbedding(SINUSOID_DIM, dim)
        self.text_embedder = VectorEmbedding(pooled_dim, dim)
        self.guidance_embedder = VectorEmbedding(SINUSOID_DIM, dim) if guidance else None

    def forward(
        self, sigma: Tensor, pooled: Tensor, guidance: Tensor | None = None, modulation: Tensor | None = None
    ) -> Tensor:
        """Embed the signal of one noise level.

        Args:
            sigma: (B,) float32 in [0, 1].
            pooled: (B, pooled_dim) in the model's dtype.
            guidance: (B,) in the model's dtype, in which it is also scaled (bfloat16 makes 6016 of 6000).
            modulation: (B, dim), added.

        Returns:
            (B, 1, dim).
        """
        signal = self.timestep_embedder(sinusoid(sigma.float() * SIGNAL_SCALE).to(pooled.dtype))
        if guidance is not None and self.guidance_embedder is not None:
            signal = signal + self.guidance_embedder(sinusoid(guidance * SIGNAL_SCALE).to(pooled.dtype))
        signal = signal + self.text_embedder(pooled)
        if modulation is not None:
            signal = signal + modulation
        return signal[:, None]


class RotaryEmbedding(nn.Module):
    """Rotary table of the patch grid: time, height and width share the head's channels (spec section 1.4)."""

    def __init__(self, patch: tuple[int, int, int], axes_dim: tuple[int, int, int], theta: float) -> None:
        super().__init__()
        self.patch = patch
        self.axes_dim = axes_dim
        self.theta = theta
        self._key: tuple | None = None
        self._table: Rope | None = None

    def forward(self, latents: Tensor) -> Rope:
        """Cosines and sines (N, head_dim / 2), float32, of latents (B, C, T, H, W); time is slowest."""
        grid = tuple(size // patch for size, patch in zip(latents.shape[2:], self.patch, strict=True))
        if self._table is None or self._key != (grid, latents.device):
            # A table born in inference mode could not serve training afterwards.
            with torch.inference_mode(False):
                self._table = self._build(grid, latents.device)
            self._key = (grid, latents.device)
        return self._table

    def _build(self, grid: tuple[int, ...], device: torch.device) -> Rope:
        angles = []
        for axis, (size, dim) in enumerate(zip(grid, self.axes_dim, strict=True)):
            powers = torch.arange(0, dim, 2, device=device, dtype=torch.float32) / dim
            positions = torch.arange(size, device=device, dtype=torch.float32)
            angle = torch.outer(positions, 1.0 / self.theta**powers)
            shape = [1, 1, 1, dim // 2]
            shape[axis] = size
            angles.append(angle.view(shape).expand(*grid, dim // 2))
        angle = torch.cat(angles, dim=-1).flatten(0, 2)
        return angle.cos(), angle.sin()
