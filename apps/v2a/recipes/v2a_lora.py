"""An adapter for the sound transformer, from a few clips with sound."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from apps.v2a.encoders import Encoders
from apps.v2a.lora import save_lora
from apps.v2a.model import LORA_TARGETS, AudioTransformer
from apps.v2a.recipes.flow import SoundRecipe, train_sounds
from foundation.training.checkpoint import read_checkpoint
from foundation.training.trainer import processes
from foundation.weights.folder import write_training
from foundation.weights.loading import load_folder
from foundation.weights.lora.adapters import add_lora


@dataclass
class Config(SoundRecipe):
    """Everything that `kinora train v2a_lora` can set, beside what `SoundRecipe` says.

    The adapter is added to the transformer of `base`: updates of `rank`, scaled by `alpha / rank` (null: by 1), in
    the layers whose names end in one of `targets`.
    """

    export: str = "runs/v2a_lora/export"
    rank: int = 8
    alpha: float | None = None
    targets: list[str] = field(default_factory=lambda: list(LORA_TARGETS))


def run(config: Config) -> Path:
    """Prepare, train, and write the adapter in diffusers' format; returns its folder."""
    torch.manual_seed(config.training.seed)
    base = Path(config.base)
    encoders = Encoders.load(base)
    model = load_folder(AudioTransformer, base / "transformer", torch.float32).train()
    add_lora(model, config.rank, config.alpha, config.targets)
    last = train_sounds(config, model, encoders)
    folder = Path(config.export)
    if processes().is_main_process:
        model.load_state_dict(read_checkpoint(last)[0]["ema"], strict=False)
        save_lora(model, folder)
        write_training(folder, {"recipe": "v2a_lora", **asdict(config)}, None)
    return folder
