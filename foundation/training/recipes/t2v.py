"""The text-to-video recipe: flow matching on cached latents of the toybox (paper section 4.5)."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from foundation.flow.objective import make_noisy, velocity_loss
from foundation.request import ModelDefaults
from foundation.text import TextEncoder, load_text_encoder
from foundation.training.checkpoint import read_checkpoint
from foundation.training.config import Training
from foundation.training.flow_batch import flow_batch
from foundation.training.latent_cache import LatentCache, prepare_toybox
from foundation.training.loading import Batch
from foundation.training.toy_clips import Worlds
from foundation.training.trainer import Trainer, Watch, processes
from foundation.transformer import Conditioning, TextConditioning, VideoTransformer
from foundation.vae.model import CausalVideoVAE
from foundation.weights.fingerprint import latents_sha256, text_sha256
from foundation.weights.folder import COMPONENTS, FROZEN_FILE, write_defaults, write_index, write_training
from foundation.weights.loading import load_model
from shared.config import Size


@dataclass
class TransformerModel:
    """Configuration of a `VideoTransformer` trained from nothing."""

    num_attention_heads: int = 3
    attention_head_dim: int = 64
    num_layers: int = 1
    num_single_layers: int = 6
    num_refiner_layers: int = 1
    mlp_ratio: float = 4.0
    rope_axes_dim: list[int] = field(default_factory=lambda: [8, 28, 28])
    guidance_embeds: bool = False


@dataclass
class ToyboxData:
    """Which clips are rendered and how their captions vary.

    A caption of more than `longest_text` tokens gives way to the plain one, so that a batch pads little.
    """

    cache: str = "cache/encoded"
    worlds: Worlds = field(
        default_factory=lambda: Worlds(scenes=11000, pairs=1000, cameras=1000, puppets=5000)
    )
    variants: int = 4
    longest_text: int = 40
    text_dropout: float = 0.1


@dataclass
class SamplingDefaults:
    """What the exported folder proposes when the user says nothing."""

    steps: int = 20
    cfg: float = 3.0
    shift: float = 3.0


@dataclass
class Config:
    """Everything that `kinora train t2v` can set.

    Training starts from the transformer of the model folder `start`, or from nothing (`model` says how wide). Every
    `training.watch_every` steps `watched` prompts are made into clips and judged.
    """

    base: str = "weights/starter"
    start: str | None = None
    export: str = "weights/starter"
    shift: float = 3.0
    compile: bool = False
    watched: int = 24
    sampling: SamplingDefaults = field(default_factory=SamplingDefaults)
    training: Training = field(
        default_factory=lambda: Training(
            output="runs/t2v",
            steps=4000,
            batch_size=64,
            learning_rate=0.02,
            adamw_layers=["x_embedder", "proj_out", "time_text_embed", "norm"],
            weight_decay=0.01,
            warmup=100,
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

    def __init__(self, cache: LatentCache, empty: TextConditioning, data: ToyboxData, shift: float) -> None:
        self.cache, self.empty, self.shift = cache, empty, shift
        self.dropout, self.longest, self.variants = data.text_dropout, data.longest_text, data.variants

    def __len__(self) -> int:
        return len(self.cache)

    def batch(self, ids: Sequence[int], generators: Sequence[np.random.Generator]) -> Batch:
        """Latents, noise, sigma and padded text of the given clips."""
        texts = [self._text(i, g) for i, g in zip(ids, generators, strict=True)]
        return flow_batch(self.cache.latents[list(ids)], texts, generators, self.shift)

    def _text(self, clip: int, generator: np.random.Generator) -> TextConditioning:
        if generator.random() < self.dropout:
            return self.empty
        variant = int(generator.integers(self.variants))
        too_long = int(self.cache.lengths[clip, variant]) > self.longest
        return self.cache.text(clip, 0 if too_long else variant)


def run(config: Config) -> Path:
    """Prepare, train and return the last checkpoint."""
    torch.manual_seed(config.training.seed)
    base = Path(config.base)
    vae, text = CausalVideoVAE.from_pretrained(base / "vae"), load_text_encoder(base)
    cache = prepare_toybox(
        Path(config.data.cache), config.data.worlds.counts(), config.data.variants, vae, text
    )
    empty = text([""])
    model = _started(Path(config.start)) if config.start else _new(config.model, vae, empty)
    if config.compile:
        model.compile_repeated_blocks(dynamic=True)
    samples = CachedSamples(cache, empty.to(dtype=torch.bfloat16), config.data, config.shift)
    watch = _watch(config, model, vae, text) if config.training.watch_every else None
    last = Trainer(FlowObjective(model), samples, config.training, watch=watch).run()
    if processes().is_main_process:
        export(config, last, model)
        frozen = {"vae": latents_sha256(vae), "text": text_sha256(text)}
        record = Path(config.export) / "transformer" / FROZEN_FILE
        record.write_text(json.dumps(frozen, indent=1) + "\n")
    return Path(config.export)


def _watch(config: Config, model: VideoTransformer, vae: CausalVideoVAE, text: TextEncoder) -> Watch:
    # Imported here: clips and contact sheets need more than training does.
    from diffusers import FlowMatchEulerDiscreteScheduler

    from foundation.evaluation.t2v import Sampling
    from foundation.evaluation.watch import JudgedSamples
    from foundation.pipeline import TextToVideoPipeline

    mllm, clip = text.mllm, text.clip
    scheduler = FlowMatchEulerDiscreteScheduler(shift=config.sampling.shift)
    pipe = TextToVideoPipeline(model, vae, mllm.model, mllm.tokenizer, clip.model, clip.tokenizer, scheduler)
    pipe.defaults = _defaults(config)
    sampling = Sampling(**vars(config.sampling))
    return JudgedSamples(pipe, config.watched, sampling, Path(config.training.output))


def _defaults(config: Config) -> ModelDefaults:
    sampling = config.sampling
    return ModelDefaults(
        fps=8.0,
        size=Size(64, 64),
        frames=17,
        steps=sampling.steps,
        shift=sampling.shift,
        cfg=sampling.cfg,
        guidance=None,
    )


def _new(model: TransformerModel, vae: CausalVideoVAE, text: TextConditioning) -> VideoTransformer:
    """A transformer for these latents and this text, with start values."""
    channels = vae.config.latent_channels
    transformer = VideoTransformer(
        **vars(model),
        in_channels=channels,
        out_channels=channels,
        text_embed_dim=text.embeds.shape[-1],
        pooled_projection_dim=text.pooled.shape[-1],
    )
    transformer.initialise()
    return transformer


def _started(folder: Path) -> VideoTransformer:
    return load_model(VideoTransformer, folder / "transformer", torch.float32).train().requires_grad_(True)


def export(config: Config, checkpoint: Path, model: VideoTransformer) -> None:
    """Write the averaged weights in bfloat16, and what makes the folder a whole model where all parts are there."""
    model.load_state_dict(read_checkpoint(checkpoint)[0]["ema"])
    folder = Path(config.export)
    model.to(torch.bfloat16).save_pretrained(folder / "transformer")
    start = Path(config.start) / "transformer" if config.start else None
    write_training(folder / "transformer", {"recipe": "t2v", **asdict(config)}, start)
    write_defaults(folder, _defaults(config))
    if all((folder / part).is_dir() for part in COMPONENTS):
        write_index(folder)
