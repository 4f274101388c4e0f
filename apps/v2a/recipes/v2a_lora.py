"""An adapter for the sound transformer, from a few clips with sound."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from apps.v2a.encoders import Encoders
from apps.v2a.lora import save_lora
from apps.v2a.model import LORA_TARGETS, AudioTransformer
from apps.v2a.recipes.flow import SoundRecipe, train_sounds
from foundation.training.adapter import AdapterRecipe
from foundation.training.trainer import processes
from foundation.weights.folder import write_training
from foundation.weights.loading import load_folder


@dataclass
class Config(AdapterRecipe, SoundRecipe):
    """Everything that `kinora train v2a_lora` can set, beside what `SoundRecipe` and `AdapterRecipe` say.

    The adapter is added to the transformer of `base`.
    """

    export: str = "runs/v2a_lora/export"
    rank: int = 8
    targets: list[str] = field(default_factory=lambda: list(LORA_TARGETS))


def run(config: Config) -> Path:
    """Prepare, train, and write the adapter in diffusers' format; returns its folder."""
    torch.manual_seed(config.training.seed)
    base = Path(config.base)
    encoders = Encoders.load(base)
    model = load_folder(AudioTransformer, base / "transformer", torch.float32).train()
    config.add_to(model)
    train_sounds(config, model, encoders)
    folder = Path(config.export)
    if processes().is_main_process:
        save_lora(model, folder)
        write_training(folder, {"recipe": "v2a_lora", **asdict(config)}, None)
    return folder
