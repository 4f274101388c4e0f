"""An adapter for a text-to-video model: a look or a subject, learned from a few clips."""

from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from foundation.training.adapter import AdapterRecipe
from foundation.training.flow_recipe import Encoders, FlowRecipe, train_flow
from foundation.training.trainer import processes
from foundation.transformer import VideoTransformer
from foundation.weights.folder import write_training
from foundation.weights.loading import load_model
from foundation.weights.lora.adapters import save_lora


@dataclass
class Config(AdapterRecipe, FlowRecipe):
    """Everything that `kinora train t2v_lora` can set, beside what `FlowRecipe` and `AdapterRecipe` say.

    The adapter is added to the transformer of `base`.
    """

    export: str = "runs/t2v_lora/export"


def run(config: Config) -> Path:
    """Prepare, train, and write the adapter in diffusers' format; returns its folder."""
    config.last_stage()
    torch.manual_seed(config.training.seed)
    base = Path(config.base)
    encoders = Encoders.load(base)
    model = load_model(VideoTransformer, base / "transformer", torch.float32).train()
    config.add_to(model)
    train_flow(config, model, encoders)
    folder = Path(config.export)
    if processes().is_main_process:
        save_lora(model, folder)
        write_training(folder, {"recipe": "t2v_lora", **asdict(config)}, None)
    return folder
