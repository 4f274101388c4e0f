"""What a clip is going to be, seen in its latents: each latent's channels become a color, without the decoder."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

FIRST_STEP = 3
"""The first preview comes after this many steps; before, there is little to see."""

LARGEST_SHARE = 0.02
"""Of a run's time that previews may take, their first one aside."""

LONGEST_SIDE = 256
_SIDE = 128
_PATCHES = 16
_RIDGE = 0.1
"""Keeps channels that no picture used from turning noise into color (gain 0.2 in place of 11 on the starter's VAE)."""


@dataclass(frozen=True)
class ColorMap:
    """A linear map from a latent's channels to the mean color of its pixels.

    Attributes:
        weights: (C + 1, 3), the last row for a constant.
        scale: pixels per latent, in height and width.
        milliseconds: that a latent frame stays on the screen.
    """

    weights: Tensor
    scale: int
    milliseconds: int

    @classmethod
    @torch.no_grad()
    def of(cls, pipe: Any) -> Self:
        """Fit it to a pipeline's VAE: one picture of soft random colors is encoded, and solved for its pixels."""
        vae, device = pipe.vae, pipe._execution_device
        rates = vae.config.spatial_compression_ratio, vae.config.temporal_compression_ratio
        generator = torch.Generator().manual_seed(0)
        # Beyond black and white, so that cut off they are among the colours.
        coarse = torch.rand(1, 3, _PATCHES, _PATCHES, generator=generator) * 3 - 1.5
        picture = F.interpolate(coarse, size=(_SIDE, _SIDE), mode="bicubic").clamp(-1, 1)
        latents = (
            vae.to_latents(picture[:, :, None].to(device, vae.dtype))[0, :, 0].float().cpu()
        )  # (C, h, w)
        colors = F.avg_pool2d(picture, rates[0])[0]  # (3, h, w)
        inputs = _with_constant(latents)
        ridge = _RIDGE * len(inputs) * torch.eye(inputs.shape[1])
        ridge[-1, -1] = 0
        weights = torch.linalg.solve(inputs.T @ inputs + ridge, inputs.T @ colors.flatten(1).T)
        Image.init()  # finds Pillow's formats, which no step shall wait for
        return cls(weights, rates[0], round(1000 * rates[1] / pipe.defaults.fps))

    def fits(self, latents: Tensor) -> bool:
        """Whether these are a clip's latents, (1, C, T, h, w), of this map's VAE."""
        return latents.ndim == 5 and latents.shape[1] == len(self.weights) - 1

    def frames(self, latents: Tensor) -> list[Image.Image]:
        """A picture per latent frame of (1, C, T, h, w)."""
        _, _, time, height, width = latents.shape
        flat = latents[0].float().cpu().permute(1, 0, 2, 3)  # (T, C, h, w)
        colors = torch.stack([_with_constant(frame) @ self.weights for frame in flat])
        levels = ((colors.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        pixels = levels.reshape(time, height, width, 3).numpy()
        ratio = min(self.scale, max(1.0, LONGEST_SIDE / max(height, width)))
        size = (round(width * ratio), round(height * ratio))
        return [
            Image.fromarray(np.ascontiguousarray(one)).resize(size, Image.Resampling.BICUBIC)
            for one in pixels
        ]


class Previewer:
    """Writes previews of one run, as often as their share of its time allows."""

    def __init__(self, path: Path, colors: ColorMap) -> None:
        self.path, self.colors = path, colors
        self._begun = time.perf_counter()
        self._spent = self._last = 0.0

    def show(self, denoised: Tensor, steps: int) -> None:
        """Write a preview, if there is time for one.

        Args:
            denoised: the present guess of the clean latents.
            steps: that were finished.
        """
        elapsed = time.perf_counter() - self._begun
        if steps >= FIRST_STEP and (not self._spent or self._spent + self._last <= LARGEST_SHARE * elapsed):
            self.write(denoised)

    def write(self, denoised: Tensor) -> None:
        """Write a preview; a full disk keeps none."""
        if not self.colors.fits(denoised):
            return
        begun = time.perf_counter()
        frames = self.colors.frames(denoised)
        temporary = self.path.with_suffix(".part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            frames[0].save(
                temporary,
                "WEBP",
                save_all=True,
                append_images=frames[1:],
                duration=self.colors.milliseconds,
                loop=0,
                quality=80,
                method=0,
            )
            temporary.replace(self.path)
        except OSError:
            temporary.unlink(missing_ok=True)
        self._last = time.perf_counter() - begun
        self._spent += self._last


def _with_constant(latents: Tensor) -> Tensor:
    """(C, h, w) -> (h * w, C + 1)."""
    flat = latents.flatten(1).T
    return torch.cat([flat, torch.ones(len(flat), 1)], dim=1)
