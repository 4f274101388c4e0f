"""An adapter for the sound transformer, from a few clips with sound."""

from dataclasses import asdict
from pathlib import Path

import torch

from apps.v2a.checkpoints import sound_folder
from apps.v2a.conditioning.encoders import Encoders
from apps.v2a.model.lora import save_lora
from apps.v2a.model.transformer import AudioTransformer
from apps.v2a.training.config import V2ALoRAConfig as Config
from apps.v2a.training.flow import train_sounds
from foundation.checkpoints.loading import load_folder
from foundation.checkpoints.model_folder import write_training
from foundation.training.trainer import processes


def run(config: Config) -> Path:
    """Prepare, train, and write the adapter in diffusers' format; returns its folder."""
    torch.manual_seed(config.training.seed)
    base = sound_folder(config.base)
    encoders = Encoders.load(base)
    model = load_folder(AudioTransformer, base / "transformer", torch.float32).train()
    config.add_to(model)
    train_sounds(config, model, encoders)
    folder = config.folder
    if processes().is_main_process:
        save_lora(model, folder)
        write_training(folder, {"recipe": "v2a_lora", **asdict(config)}, None)
    return folder
