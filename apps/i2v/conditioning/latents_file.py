"""A clip's latents in a file beside it, so that it can be continued from them: `clip.latents.safetensors`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from foundation.checkpoints.hashes import latents_sha256
from foundation.models.geometry import FRAME_STRIDE, SIZE_MULTIPLE
from foundation.models.vae.model import CausalVideoVAE
from shared.errors import InputError, first_line
from shared.media.files import replacing

KEY = "latents"
FRAMES_KEY, SPACE_KEY = "raw_frames_sha256", "latent_space_sha256"


def latents_path(clip: Path) -> Path:
    """Where the latents of a clip lie."""
    return clip.with_name(f"{clip.stem}.latents.safetensors")


def save_latents(latents: Tensor, clip: Path, frames_sha256: str, vae: CausalVideoVAE) -> Path:
    """Write latents (1, C, T, h, w) beside a clip, whole or not at all.

    Args:
        latents: normalised.
        clip: the clip's file.
        frames_sha256: of the clip's frames, as its receipt has it.
        vae: whose latents they are.

    Raises:
        KinoraError: the file cannot be written.
    """
    path = latents_path(clip)
    about = {FRAMES_KEY: frames_sha256, SPACE_KEY: latents_sha256(vae)}
    with replacing(path) as temporary:
        temporary.write_bytes(save({KEY: latents.float().cpu().contiguous()}, about))
    return path


def find_latents(clip: Path, receipt: Mapping[str, Any], vae: CausalVideoVAE) -> Tensor | None:
    """The latents beside a clip; None where there are none that belong to it and to this VAE.

    Raises:
        InputError: the file is damaged.
    """
    path = latents_path(clip)
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            own = about.get(FRAMES_KEY) == receipt.get("raw_frames_sha256") is not None
            if not own or about.get(SPACE_KEY) != latents_sha256(vae):
                return None
            return file.get_tensor(KEY)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is damaged: {first_line(error)}; remove it") from error


@torch.no_grad()
def recovered(frames: NDArray[np.uint8], vae: CausalVideoVAE, device: torch.device | str) -> Tensor:
    """Latents of a clip's pixels: its last 4k + 1 frames, so that it goes on where it ends.

    Args:
        frames: (F, H, W, 3) uint8.
        vae: encodes them.
        device: where it runs.

    Returns:
        (1, C, T, h, w), normalised, float32.

    Raises:
        InputError: sides that are no multiples of 16.
    """
    height, width = frames.shape[1:3]
    if height % SIZE_MULTIPLE or width % SIZE_MULTIPLE:
        raise InputError(f"the clip is {width}x{height}; both sides must be multiples of {SIZE_MULTIPLE}")
    kept = frames[(len(frames) - 1) % FRAME_STRIDE :]
    pixels = torch.from_numpy(kept.copy()).permute(3, 0, 1, 2)[None]
    return vae.to_latents(pixels.to(device, vae.dtype) / 127.5 - 1).float()
