"""What the frozen encoders say about clips and captions, as caches keep it."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from foundation.models.text import TextEncoder
from foundation.models.text.encoder import Note
from foundation.models.text.templates import TemplateKind
from foundation.models.vae.model import CausalVideoVAE

ClipEncoder = Callable[[Sequence[np.ndarray], CausalVideoVAE], Tensor]


@torch.no_grad()
def encode_clips(clips: Sequence[np.ndarray], vae: CausalVideoVAE) -> Tensor:
    """Means of the posterior, normalised: clips (F, H, W, 3) uint8 of one shape -> (N, C, T, h, w) bfloat16."""
    frames = torch.from_numpy(np.stack(clips)).permute(0, 4, 1, 2, 3).to(vae.device)
    with torch.autocast(vae.device.type, torch.bfloat16):
        return vae.to_latents(frames.float() / 127.5 - 1).bfloat16().contiguous().cpu()


def encode_stills(clips: Sequence[np.ndarray], vae: CausalVideoVAE) -> Tensor:
    """The last frame of every latent frame, coded on its own, as keyframes are.

    Args:
        clips: (F, H, W, 3) uint8 of one shape.
        vae: the frozen VAE.

    Returns:
        (N, C, T, h, w) bfloat16, latent frame t that of frame 4t.
    """
    stride = vae.config.temporal_compression_ratio
    coded = encode_clips([frame[None] for clip in clips for frame in clip[::stride]], vae)
    return coded.squeeze(2).unflatten(0, (len(clips), -1)).transpose(1, 2).contiguous()


def encode_captions(
    captions: Sequence[str], text: TextEncoder, kind: TemplateKind = "video", note: Note | None = None
) -> dict[str, Tensor]:
    """States and pooled vectors without any padding, in bfloat16.

    Returns:
        `tokens` (sum of lengths, D), all captions' in one row; `lengths` (N,); `pooled` (N, D_pool).
    """
    encoded = text(captions, kind, note=note)
    kept = torch.ones(encoded.embeds.shape[:2]) if encoded.mask is None else encoded.mask
    return {
        "tokens": encoded.embeds[kept.bool()].bfloat16().cpu(),
        "lengths": kept.long().sum(1).cpu(),
        "pooled": encoded.pooled.bfloat16().cpu(),
    }
