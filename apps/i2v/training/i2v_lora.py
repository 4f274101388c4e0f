"""Image-to-video as an adapter: on text-to-video weights, or on weights that take pictures already."""

from __future__ import annotations

from pathlib import Path

import torch

from apps.i2v.training.config import I2VLoRAConfig as Config
from apps.i2v.training.recipe import APP, Started, run_recipe, write_model_defaults
from foundation.checkpoints.lora.adapters import save_lora
from foundation.checkpoints.model_folder import (
    AppRecord,
    name_of_base,
    transformer_sha256,
    write_adapter,
)
from foundation.checkpoints.registry import locate


def run(config: Config) -> Path:
    """Prepare, train, and write the adapter's folder; returns it.

    On text-to-video weights it is one for `kinora i2v --model`, on others one for `--lora`.
    """

    def prepare(begun: Started) -> None:
        config.add_to(begun.model)
        begun.model.x_embedder.proj.requires_grad_(begun.widened)

    def write(begun: Started, folder: Path) -> Path:
        if begun.widened:
            write_adapter(begun.model, folder, _record(config, begun))
            write_model_defaults(config, begun.model, folder)
        else:
            save_lora(begun.model.to(torch.bfloat16), folder)
        return folder

    return run_recipe(config, "i2v_lora", prepare, write)


def _record(config: Config, begun: Started) -> AppRecord:
    """What `app.json` says of an adapter that brings its own patch embedding."""
    changed = {key: begun.model.config[key] for key in ("in_channels", "image_condition_type")}
    base, sha256 = name_of_base(locate(config.base)), transformer_sha256(begun.parts)
    return AppRecord(APP, "i2v_lora", base, sha256, config.rank, changed)
