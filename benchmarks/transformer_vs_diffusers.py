"""One denoising step against diffusers' class on the same weights: `python benchmarks/transformer_vs_diffusers.py`.

Half of the text is padding, as the released pipeline makes it: diffusers masks it in every step, Kinora trims
it once, when the text is encoded.
"""

import torch
from comparison import Call, compare
from diffusers import HunyuanVideoTransformer3DModel

from foundation.models.transformer import Conditioning, TextConditioning, VideoTransformer

TEXT = 256
SIZES = {
    "small": "width 256, 6 blocks, 320 video and 256 text tokens, half of them padding",
    "large": "width 512, 9 blocks, 2,304 video and 256 text tokens, half of them padding",
}
LATENTS = {"small": (1, 16, 5, 16, 16), "large": (1, 16, 9, 32, 32)}
MODELS = {
    "small": {"num_attention_heads": 2, "num_layers": 2, "num_single_layers": 4},
    "large": {"num_attention_heads": 4, "num_layers": 3, "num_single_layers": 6},
}
COMMON = {"num_refiner_layers": 2, "text_embed_dim": 512, "pooled_projection_dim": 128}


def inputs(size: str) -> tuple[torch.Tensor, torch.Tensor, TextConditioning, torch.Tensor]:
    """Latents, sigma, text whose second half is padding, and guidance."""
    generator = torch.Generator().manual_seed(1)
    embeds = torch.randn(1, TEXT, COMMON["text_embed_dim"], generator=generator)
    mask = (torch.arange(TEXT) < TEXT // 2)[None]
    pooled = torch.randn(1, COMMON["pooled_projection_dim"], generator=generator)
    latents = torch.randn(LATENTS[size], generator=generator)
    return latents, torch.tensor([0.7]), TextConditioning(embeds, mask, pooled), torch.tensor([6.0])


def random_weights(model: torch.nn.Module) -> torch.nn.Module:
    """The same weights for both classes, which name them alike."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _, parameter in sorted(model.named_parameters()):
            parameter.normal_(0, 0.02, generator=generator)
    return model.eval()


def kinora(size: str) -> Call:
    """A step of `VideoTransformer`; the text is trimmed beforehand, since this is done once per prompt."""
    model = random_weights(VideoTransformer(**MODELS[size], **COMMON))
    latents, sigma, text, guidance = inputs(size)
    conditioning = Conditioning(text.trimmed(), guidance)
    return lambda: model(latents, sigma, conditioning)


def diffusers(size: str) -> Call:
    """A step of diffusers' class."""
    model = random_weights(HunyuanVideoTransformer3DModel(**MODELS[size], **COMMON))
    latents, sigma, text, guidance = inputs(size)
    return lambda: model(
        hidden_states=latents,
        timestep=sigma * 1000,
        encoder_hidden_states=text.embeds,
        encoder_attention_mask=text.mask,
        pooled_projections=text.pooled,
        guidance=guidance * 1000,
        return_dict=False,
    )[0]


if __name__ == "__main__":
    compare("Transformer, one step (kinora / diffusers)", {"kinora": kinora, "diffusers": diffusers}, SIZES)
