"""Image-to-video as an adapter: on text-to-video weights, or on weights that take pictures already."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch

from apps.i2v.recipes.pictures import (
    APP,
    PictureRecipe,
    started,
    train_pictures,
    write_about,
    write_model_defaults,
)
from foundation.training.flow_recipe import Encoders
from foundation.training.trainer import processes
from foundation.weights.app_folder import AppRecord, name_of_base, transformer_sha256, write_adapter
from foundation.weights.lora.adapters import TARGETS, add_lora, save_lora


@dataclass
class Config(PictureRecipe):
    """Everything that `kinora train i2v_lora` can set, beside what `PictureRecipe` says.

    Updates of `rank`, scaled by `alpha / rank` (null: by 1), in the layers whose names end in one of `targets`. On
    text-to-video weights the patch embedding is trained beside them.
    """

    export: str = "runs/i2v_lora/export"
    rank: int = 16
    alpha: float | None = None
    targets: list[str] = field(default_factory=lambda: list(TARGETS))


def run(config: Config) -> Path:
    """Prepare, train, and write the adapter's folder; returns it.

    On text-to-video weights it is one for `kinora i2v --model`, on others one for `--lora`.
    """
    config.check()
    torch.manual_seed(config.training.seed)
    encoders = Encoders.load(Path(config.base))
    model, parts, widened = started(config)
    add_lora(model, config.rank, config.alpha, config.targets)
    model.x_embedder.proj.requires_grad_(widened)
    train_pictures(config, model, encoders)
    folder = Path(config.export)
    if not processes().is_main_process:
        return folder
    if widened:
        write_adapter(
            model,
            folder,
            AppRecord(
                APP,
                "i2v_lora",
                name_of_base(Path(config.base)),
                transformer_sha256(parts),
                config.rank,
                {key: model.config[key] for key in ("in_channels", "image_condition_type")},
            ),
        )
        write_model_defaults(config, folder)
    else:
        save_lora(model.to(torch.bfloat16), folder)
    write_about(config, "i2v_lora", folder, parts, encoders)
    return folder
