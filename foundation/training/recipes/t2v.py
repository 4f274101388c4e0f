"""The text-to-video recipe: flow matching on latents, through the paper's curriculum (section 4.5)."""

import json
from dataclasses import asdict
from pathlib import Path

import torch

from foundation.checkpoints.loading import load_model
from foundation.checkpoints.model_folder import (
    COMPONENTS,
    FROZEN_FILE,
    AppRecord,
    name_of_base,
    write_defaults,
    write_index,
    write_record,
    write_training,
)
from foundation.checkpoints.registry import locate
from foundation.models.transformer import VideoTransformer
from foundation.training.checkpoint import read_averaged
from foundation.training.config import T2VConfig as Config
from foundation.training.config import TransformerModel, starting_point
from foundation.training.flow import Encoders, train_flow
from foundation.training.trainer import processes
from shared.console import note


def run(config: Config, recipe: str = "t2v") -> Path:
    """Prepare, train, write the transformer's folder, and return the model's; `training.json` names the `recipe`."""
    config.last_stage()
    torch.manual_seed(config.training.seed)
    encoders = Encoders.load(locate(config.base))
    start = starting_point(config.start, config.base, config.data)
    model = _new(config.model, encoders) if start is None else _started(start)
    if config.compile:
        model.compile_repeated_blocks(dynamic=True)
    last = train_flow(config, model, encoders)
    if processes().is_main_process:
        export(config, last, model, recipe, start)
        record = config.folder / "transformer" / FROZEN_FILE
        record.write_text(json.dumps(encoders.fingerprints(), indent=1) + "\n")
    return config.folder


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


def _started(name: str) -> VideoTransformer:
    note(f"start: the transformer of {name}")
    folder = locate(name) / "transformer"
    return load_model(VideoTransformer, folder, torch.float32).train().requires_grad_(True)


def export(
    config: Config, checkpoint: Path, model: VideoTransformer, recipe: str, start_name: str | None = None
) -> None:
    """Write the averaged weights in bfloat16, and what makes the folder a model.

    Where all parts are there, that is an index; else a record of the model that gives the rest.
    """
    model.load_state_dict(read_averaged(checkpoint))
    folder = config.folder
    model.to(torch.bfloat16).save_pretrained(folder / "transformer")
    start = None if start_name is None else locate(start_name) / "transformer"
    write_training(folder / "transformer", {"recipe": recipe, **asdict(config)}, start)
    write_defaults(folder, config.defaults(config.last_stage(), model))
    if all((folder / part).is_dir() for part in COMPONENTS):
        write_index(folder)
    else:
        write_record(folder, AppRecord("t2v", recipe, name_of_base(locate(config.base))))
