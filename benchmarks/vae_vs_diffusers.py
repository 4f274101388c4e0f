"""Decoding a clip against diffusers' class on the same weights: `python benchmarks/vae_vs_diffusers.py`."""

import torch
from comparison import Call, compare
from diffusers import AutoencoderKLHunyuanVideo

from foundation.models.vae.model import CausalVideoVAE

SIZES = {
    "small": "widths 32 to 128, 128x128x17 pixels",
    "large": "the released widths 128 to 512, 64x64x9 pixels",
}
MODELS = {"small": {"block_out_channels": (32, 64, 128, 128)}, "large": {}}
LATENTS = {"small": (1, 16, 5, 16, 16), "large": (1, 16, 3, 8, 8)}


def inputs(size: str) -> torch.Tensor:
    """Raw latents."""
    return torch.randn(LATENTS[size], generator=torch.Generator().manual_seed(1))


def kinora(size: str) -> Call:
    """`CausalVideoVAE.decode` of the whole clip."""
    torch.manual_seed(0)
    vae, raw = CausalVideoVAE(**MODELS[size]).eval(), inputs(size)
    return lambda: vae.decode(raw)


def diffusers(size: str) -> Call:
    """Diffusers' decode of the whole clip, without its tiles in time."""
    torch.manual_seed(0)
    ours = CausalVideoVAE(**MODELS[size]).state_dict()
    vae, raw = AutoencoderKLHunyuanVideo(**MODELS[size]).eval(), inputs(size)
    vae.load_state_dict(ours)
    vae.use_framewise_decoding = False
    return lambda: vae.decode(raw, return_dict=False)[0]


if __name__ == "__main__":
    compare("VAE decode (kinora / diffusers)", {"kinora": kinora, "diffusers": diffusers}, SIZES)
