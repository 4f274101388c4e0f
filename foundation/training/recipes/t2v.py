"""The text-to-video recipe: flow matching on latents, through the paper's curriculum (section 4.5)."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from foundation.training.checkpoint import read_checkpoint
from foundation.training.flow_recipe import Encoders, FlowRecipe, train_flow
from foundation.training.trainer import processes
from foundation.transformer import VideoTransformer
from foundation.weights.folder import COMPONENTS, FROZEN_FILE, write_defaults, write_index, write_training
from foundation.weights.loading import load_model


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
class Config(FlowRecipe):
    """Everything that `kinora train t2v` can set, beside what `FlowRecipe` says.

    Training starts from the transformer of the model folder `start`, or from nothing (`model` says how wide).
    """

    start: str | None = None
    export: str = "weights/starter"
    compile: bool = False
    model: TransformerModel = field(default_factory=TransformerModel)


def run(config: Config, recipe: str = "t2v") -> Path:
    """Prepare, train, write the transformer's folder, and return the model's; `training.json` names the `recipe`."""
    config.last_stage()
    torch.manual_seed(config.training.seed)
    encoders = Encoders.load(Path(config.base))
    model = _started(Path(config.start)) if config.start else _new(config.model, encoders)
    if config.compile:
        model.compile_repeated_blocks(dynamic=True)
    last = train_flow(config, model, encoders)
    if processes().is_main_process:
        export(config, last, model, recipe)
        record = Path(config.export) / "transformer" / FROZEN_FILE
        record.write_text(json.dumps(encoders.fingerprints(), indent=1) + "\n")
    return Path(config.export)


def _new(model: TransformerModel, encoders: Encoders) -> VideoTransformer:
    """A transformer for these latents and this text, with start values."""
    channels, text = encoders.vae.config.latent_channels, encoders.text([""])
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


def export(config: Config, checkpoint: Path, model: VideoTransformer, recipe: str) -> None:
    """Write the averaged weights in bfloat16, and what makes the folder a whole model where all parts are there."""
    model.load_state_dict(read_checkpoint(checkpoint)[0]["ema"])
    folder = Path(config.export)
    model.to(torch.bfloat16).save_pretrained(folder / "transformer")
    start = Path(config.start) / "transformer" if config.start else None
    write_training(folder / "transformer", {"recipe": recipe, **asdict(config)}, start)
    write_defaults(folder, config.defaults(config.last_stage(), model))
    if all((folder / part).is_dir() for part in COMPONENTS):
        write_index(folder)
