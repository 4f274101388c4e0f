"""Image-to-video from text-to-video weights, all of them (paper, "Image-to-video pre-training" and portraits)."""

from __future__ import annotations

from pathlib import Path

import torch

from apps.i2v.training.config import I2VConfig as Config
from apps.i2v.training.recipe import APP, Started, run_recipe, write_model_defaults
from foundation.checkpoints.model_folder import AppRecord, name_of_base, write_record
from foundation.checkpoints.registry import locate
from foundation.models.transformer.model import VideoTransformer
from foundation.training.optimizers import ProgressiveUnfreezing, outermost_first


def run(config: Config, recipe: str = "i2v") -> Path:
    """Prepare, train, and write a folder that `kinora i2v --model` takes; returns it."""

    def prepare(begun: Started) -> ProgressiveUnfreezing | None:
        if not config.unfreeze_every:
            return None
        return ProgressiveUnfreezing(outermost_first(blocks_of(begun.model)), config.unfreeze_every)

    def write(begun: Started, folder: Path) -> Path:
        begun.model.to(torch.bfloat16).save_pretrained(folder / "transformer")
        write_record(folder, AppRecord(APP, recipe, name_of_base(locate(config.base))))
        write_model_defaults(config, begun.model, folder)
        return folder / "transformer"

    return run_recipe(config, recipe, prepare, write)


def blocks_of(model: VideoTransformer) -> list[str]:
    """Prefixes of the parameters of each block, in the order of the network."""
    rooms = ("transformer_blocks", "single_transformer_blocks")
    return [f"{room}.{number}." for room in rooms for number in range(len(model.get_submodule(room)))]
