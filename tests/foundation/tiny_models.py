"""Configurations of tiny width, and models with random weights in which no layer is silent."""

import torch

TINY_TRANSFORMER = {
    "num_attention_heads": 2,
    "attention_head_dim": 16,
    "num_layers": 2,
    "num_single_layers": 2,
    "num_refiner_layers": 2,
    "text_embed_dim": 24,
    "pooled_projection_dim": 12,
    "rope_axes_dim": (4, 6, 6),
    "in_channels": 4,
    "out_channels": 4,
    "guidance_embeds": False,
}
TINY_VAE = {
    "block_out_channels": (4, 8, 8, 8),
    "layers_per_block": 1,
    "norm_num_groups": 2,
    "latent_channels": 4,
}
STARTER_VAE = {
    "block_out_channels": (8, 8, 8),
    "down_block_types": ("HunyuanVideoDownBlock3D",) * 3,
    "up_block_types": ("HunyuanVideoUpBlock3D",) * 3,
    "layers_per_block": 1,
    "latent_channels": 4,
    "mid_block_add_attention": False,
    "patch_size": 4,
    "norm_type": "rms",
}
"""The starter's architecture, which folds pixels into channels and normalises each position by itself."""


def tiny_transformer(architecture, **changes):
    """A transformer (ours or diffusers') whose every layer matters, the zero-initialised ones included."""
    torch.manual_seed(0)
    model = architecture(**TINY_TRANSFORMER | changes).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.15 + (parameter.ndim == 1) * 0.1)
    return model


def tiny_vae(architecture, **changes):
    """A VAE (ours or diffusers') with random weights that contrast enough to be compared."""
    torch.manual_seed(0)
    model = architecture(**TINY_VAE | changes).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def relative_difference(actual, expected):
    """The largest difference, relative to the largest value expected."""
    return float((actual - expected).abs().max() / expected.abs().max())
