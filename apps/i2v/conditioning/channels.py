"""What the model is told of given pictures: their latents, zeros elsewhere, and a mask (paper, figure 19).

These C + 1 channels stand behind the C noisy ones, so that the patch embedding takes 2C + 1. A model that was
widened for them (`foundation.widen_patch_embedding`) starts as the text-to-video model, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from foundation.models.transformer.model import VideoTransformer, widen_patch_embedding
from shared.errors import InputError


def channels_of(latent_channels: int) -> int:
    """Input channels of a model that is given pictures: noise, their latents, and a mask."""
    return 2 * latent_channels + 1


def take_pictures(model: VideoTransformer) -> None:
    """Let a text-to-video model be given pictures; changed in place, its output stays the same at first."""
    widen_patch_embedding(model, channels_of(model.config.out_channels))
    model.register_to_config(image_condition_type="latent_concat")


def condition_channels(known: Tensor, given: Tensor) -> Tensor:
    """The channels behind the noise.

    Args:
        known: (B, C, T, h, w) normalised latents; what stands where none is given does not matter.
        given: (B, T) bool, True where a latent frame is given.

    Returns:
        (B, C + 1, T, h, w) in known's dtype: the given latents, zeros elsewhere, and the mask, 1 where given.

    Raises:
        InputError: the mask does not fit the latents.
    """
    if given.shape != (known.shape[0], known.shape[2]):
        raise InputError(
            f"the mask is {tuple(given.shape)}; latents {tuple(known.shape)} want one entry per clip and latent frame"
        )
    mask = given[:, None, :, None, None].expand(-1, 1, -1, *known.shape[3:])
    return torch.cat([known.masked_fill(~mask, 0), mask.to(known.dtype)], dim=1)


def keyframe_channels(given: Mapping[int, Tensor], frames: int) -> Tensor:
    """The channels of one clip with pictures at some latent frames.

    Args:
        given: latent frame -> (1, C, 1, h, w) normalised latents; at least one.
        frames: latent frames of the clip.

    Returns:
        (1, C + 1, T, h, w).

    Raises:
        InputError: none is given, or one outside of the clip.
    """
    outside = [at for at in given if not 0 <= at < frames]
    if not given or outside:
        raise InputError(
            f"latent frames {sorted(given)} are given; one or more of 0 to {frames - 1} are wanted"
        )
    first = next(iter(given.values()))
    known = first.new_zeros(*first.shape[:2], frames, *first.shape[3:])
    mask = torch.zeros(len(first), frames, dtype=torch.bool, device=first.device)
    for at, latents in given.items():
        known[:, :, at : at + 1] = latents
        mask[:, at] = True
    return condition_channels(known, mask)
