"""The text-to-video recipe: flow matching on cached latents of the toybox (paper section 4.5)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from foundation.flow.objective import logit_normal_sigma, make_noisy, velocity_loss
from foundation.text import load_text_encoder
from foundation.training.config import Training
from foundation.training.latent_cache import LatentCache, prepare_toybox
from foundation.training.trainer import Batch, Trainer
from foundation.transformer import Conditioning, TextConditioning, VideoTransformer
from foundation.vae.model import CausalVideoVAE


@dataclass
class TransformerModel:
    """Configuration of a `VideoTransformer` trained from nothing."""

    num_attention_heads: int = 6
    attention_head_dim: int = 32
    num_layers: int = 1
    num_single_layers: int = 6
    num_refiner_layers: int = 1
    mlp_ratio: float = 4.0
    rope_axes_dim: list[int] = field(default_factory=lambda: [4, 14, 14])
    guidance_embeds: bool = False


@dataclass
class ToyboxData:
    """Which clips are rendered and how their captions vary."""

    cache: str = "cache/encoded"
    worlds: dict[str, int] = field(
        default_factory=lambda: {"scenes": 14000, "puppets": 7000, "pairs": 2000, "cameras": 1000}
    )
    variants: int = 4
    text_dropout: float = 0.1


@dataclass
class Config:
    """Everything that `kinora train t2v` can set."""

    base: str = "weights/starter"
    shift: float = 3.0
    training: Training = field(
        default_factory=lambda: Training(
            output="runs/t2v", steps=4000, batch_size=64, learning_rate=0.02, weight_decay=0.01, warmup=100
        )
    )
    model: TransformerModel = field(default_factory=TransformerModel)
    data: ToyboxData = field(default_factory=ToyboxData)


class FlowObjective(nn.Module):
    """Mean squared error of the predicted velocity (paper equation 3)."""

    def __init__(self, model: VideoTransformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """`latents`, `noise` (B, C, T, h, w), `sigma` (B,), `embeds`, `mask`, `pooled` -> loss, no extras."""
        noisy = make_noisy(batch["latents"], batch["noise"], batch["sigma"])
        text = TextConditioning(batch["embeds"], batch.get("mask"), batch["pooled"])
        return velocity_loss(self.model(noisy.latents, noisy.sigma, Conditioning(text)), noisy), {}


class CachedSamples:
    """Cached latents with one of their captions each, or the empty one (text drop-out)."""

    def __init__(self, cache: LatentCache, empty: TextConditioning, dropout: float, shift: float) -> None:
        self.cache, self.empty, self.dropout, self.shift = cache, empty, dropout, shift
        self.variants = cache.lengths.shape[1]

    def __len__(self) -> int:
        return len(self.cache)

    def batch(self, ids: Sequence[int], generators: Sequence[np.random.Generator]) -> Batch:
        """Latents, noise, sigma and padded text of the given clips."""
        latents = self.cache.latents[list(ids)].float()
        text = TextConditioning.batch([self._text(i, g) for i, g in zip(ids, generators, strict=True)])
        normal = torch.tensor([g.standard_normal() for g in generators])
        noise = np.stack([g.standard_normal(latents.shape[1:], dtype=np.float32) for g in generators])
        batch = {
            "latents": latents,
            "noise": torch.from_numpy(noise),
            "sigma": logit_normal_sigma(normal, self.shift),
            "embeds": text.embeds.float(),
            "pooled": text.pooled.float(),
        }
        return batch if text.mask is None else {**batch, "mask": text.mask}

    def _text(self, clip: int, generator: np.random.Generator) -> TextConditioning:
        if generator.random() < self.dropout:
            return self.empty
        return self.cache.text(clip, int(generator.integers(self.variants)))


def run(config: Config) -> Path:
    """Prepare, train and return the last checkpoint."""
    torch.manual_seed(config.training.seed)
    base = Path(config.base)
    vae, text = CausalVideoVAE.from_pretrained(base / "vae"), load_text_encoder(base)
    cache = prepare_toybox(Path(config.data.cache), config.data.worlds, config.data.variants, vae, text)
    empty = text([""])
    model = VideoTransformer(
        **vars(config.model),
        text_embed_dim=empty.embeds.shape[-1],
        pooled_projection_dim=empty.pooled.shape[-1],
    )
    model.initialise()
    samples = CachedSamples(cache, empty.to(dtype=torch.bfloat16), config.data.text_dropout, config.shift)
    return Trainer(FlowObjective(model), samples, config.training).run()
