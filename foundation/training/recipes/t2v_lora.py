"""An adapter for a text-to-video model: a look or a subject, learned from a few clips."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from foundation.training.checkpoint import read_checkpoint
from foundation.training.flow_recipe import Encoders, FlowRecipe, train_flow
from foundation.training.trainer import processes
from foundation.transformer import VideoTransformer
from foundation.weights.folder import write_training
from foundation.weights.loading import load_model
from foundation.weights.lora.adapters import TARGETS, add_lora, save_lora


@dataclass
class Config(FlowRecipe):
    """Everything that `kinora train t2v_lora` can set, beside what `FlowRecipe` says.

    The adapter is added to the transformer of `base`: updates of `rank`, scaled by `alpha / rank` (null: by 1), in
    the layers whose names end in one of `targets`.
    """

    export: str = "runs/t2v_lora/export"
    rank: int = 16
    alpha: float | None = None
    targets: list[str] = field(default_factory=lambda: list(TARGETS))


def run(config: Config) -> Path:
    """Prepare, train, and write the adapter in diffusers' format; returns its file."""
    config.last_stage()
    torch.manual_seed(config.training.seed)
    base = Path(config.base)
    encoders = Encoders.load(base)
    model = load_model(VideoTransformer, base / "transformer", torch.float32).train()
    add_lora(model, config.rank, config.alpha, config.targets)
    last = train_flow(config, model, encoders)
    folder = Path(config.export)
    if processes().is_main_process:
        model.load_state_dict(read_checkpoint(last)[0]["ema"], strict=False)
        save_lora(model, folder)
        write_training(folder, {"recipe": "t2v_lora", **asdict(config)}, None)
    return folder
