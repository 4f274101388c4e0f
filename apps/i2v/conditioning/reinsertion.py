"""Given pictures inside of a clip come out as they were given."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foundation.models.geometry import FRAME_STRIDE
from foundation.models.vae.model import CausalVideoVAE


def reinsert_keyframes(
    latents: Tensor, pictures: Mapping[int, NDArray[np.uint8]], vae: CausalVideoVAE
) -> Tensor:
    """Latents of a clip in which pictures behind the first frame are those that were given.

    The model is given such a picture coded as one frame, and makes a latent frame that holds four, of which it is the
    last: near to it, not the same. So the clip is decoded, the picture put in its place, and the latent frame coded
    again. The others stay.

    Args:
        latents: (1, C, T, h, w), normalised.
        pictures: latent frame -> (H, W, 3) uint8; that of the first latent frame needs none of this.
        vae: decodes and codes.

    Returns:
        (1, C, T, h, w) in latents' dtype.
    """
    later = {at: picture for at, picture in pictures.items() if at > 0}
    if not later:
        return latents
    video = vae.to_frames(latents.to(vae.dtype)).clone()  # (1, 3, F, H, W)
    for at, picture in later.items():
        pixels = torch.from_numpy(picture.copy()).to(video.device, video.dtype)
        video[:, :, at * FRAME_STRIDE] = pixels.permute(2, 0, 1) / 127.5 - 1
    coded, places = vae.to_latents(video).to(latents.dtype), list(later)
    latents = latents.clone()
    latents[:, :, places] = coded[:, :, places]
    return latents
