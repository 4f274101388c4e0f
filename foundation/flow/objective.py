"""The flow-matching objective: how training samples are made noisy, and what is asked of the model.

Paper, "Training": latents on the straight line between data and noise, sigma logit-normal, mean squared error
on the velocity. As in diffusers, sigma = 1 is noise and the velocity is noise minus data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from foundation.flow.schedule import shifted
from shared.errors import InputError


@dataclass(frozen=True)
class NoisyBatch:
    """A training batch between data and noise.

    Attributes:
        latents: (B, C, T, H, W), what the model sees.
        sigma: (B,) noise levels.
        target: (B, C, T, H, W), the velocity it should predict.
        clean_frames: how many leading latent frames are held clean.
    """

    latents: Tensor
    sigma: Tensor
    target: Tensor
    clean_frames: int = 0


def logit_normal_sigma(normal: Tensor, shift: float, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Map standard normal numbers to noise levels: logit-normal, then the model's shift.

    Args:
        normal: standard normal draws of any shape, float32.
        shift: factor k of `shifted`.
        mean: of the logit; positive leans towards noise.
        std: of the logit.

    Returns:
        Noise levels in (0, 1), in normal's shape.
    """
    return shifted(torch.sigmoid(mean + std * normal.float()), shift)


def draw_per_sample(
    generators: Sequence[torch.Generator], shape: Sequence[int], device: torch.device | str | None = None
) -> tuple[Tensor, Tensor]:
    """Draw a normal number (for sigma) and noise for each sample from that sample's own generator.

    What a sample gets thus depends on its generator alone, never on the batch or the rank it is trained in.

    Args:
        generators: one CPU generator per sample.
        shape: of one sample's latents.
        device: where the results go.

    Returns:
        (B,) and (B, *shape), float32.
    """
    normal = torch.cat([torch.randn(1, generator=generator) for generator in generators])
    noise = torch.stack([torch.randn(tuple(shape), generator=generator) for generator in generators])
    return normal.to(device), noise.to(device)


def make_noisy(data: Tensor, noise: Tensor, sigma: Tensor, clean_frames: int = 0) -> NoisyBatch:
    """Place data on the line towards noise.

    Args:
        data: (B, C, T, H, W), normalised latents.
        noise: standard normal, data's shape.
        sigma: (B,) in [0, 1].
        clean_frames: the first n latent frames stay data.

    Raises:
        InputError: shapes that differ, or no frame left to learn from.
    """
    if noise.shape != data.shape or sigma.shape != data.shape[:1]:
        raise InputError(
            f"data {tuple(data.shape)}, noise {tuple(noise.shape)}, sigma {tuple(sigma.shape)} do not fit; "
            "noise takes data's shape, sigma its batch size"
        )
    if not 0 <= clean_frames < data.shape[2]:
        raise InputError(
            f"clean_frames is {clean_frames}; it must leave one of {data.shape[2]} latent frames"
        )
    level = sigma.view(-1, *[1] * (data.ndim - 1)).to(data.dtype)
    latents = torch.lerp(data, noise, level.expand_as(data))
    if clean_frames:
        latents[:, :, :clean_frames] = data[:, :, :clean_frames]
    return NoisyBatch(latents, sigma, noise - data, clean_frames)


def velocity_loss(velocity: Tensor, batch: NoisyBatch, weight: Tensor | None = None) -> Tensor:
    """Mean squared error of the velocity in float32, over the frames that were noisy.

    Args:
        velocity: (B, C, T, H, W), predicted.
        batch: what the model was given.
        weight: (B,) factors on the samples, or None for 1.

    Returns:
        A scalar.
    """
    held = batch.clean_frames
    error = velocity[:, :, held:].float() - batch.target[:, :, held:].float()
    losses = error.square().flatten(1).mean(dim=1)
    return (losses if weight is None else losses * weight).mean()
