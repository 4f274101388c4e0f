"""A sound transformer of tiny width with random weights, and conditions for it."""

import torch

from apps.v2a.model.conditioning import AudioConditioning
from apps.v2a.model.transformer import AudioTransformer

TINY = {
    "latent_channels": 2,
    "latent_bands": 4,
    "num_attention_heads": 2,
    "attention_head_dim": 8,
    "num_layers": 2,
    "num_single_layers": 2,
    "text_embed_dim": 12,
    "visual_dims": {"clip": 10, "sync": 6},
}


def tiny_transformer(**changes):
    """Every layer matters, those included that training starts at zero."""
    torch.manual_seed(0)
    model = AudioTransformer(**TINY | changes).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.2)
    return model


def conditions(rows=1, tokens=12, words=3):
    generator = torch.Generator().manual_seed(1)
    visual = {
        name: torch.randn(rows, tokens, width, generator=generator)
        for name, width in TINY["visual_dims"].items()
    }
    return AudioConditioning(visual, torch.randn(rows, words, TINY["text_embed_dim"], generator=generator))


def latents(rows=1, tokens=12):
    return torch.randn(rows, 2, tokens, 4, generator=torch.Generator().manual_seed(2))
