"""An adapter for a text-to-video model: a look or a subject, learned from a few clips."""

from dataclasses import asdict
from pathlib import Path

import torch

from foundation.checkpoints.loading import load_model
from foundation.checkpoints.lora.adapters import save_lora
from foundation.checkpoints.model_folder import write_training
from foundation.checkpoints.registry import locate
from foundation.models.transformer import VideoTransformer
from foundation.training.config import T2VLoRAConfig as Config
from foundation.training.flow import Encoders, train_flow
from foundation.training.trainer import processes


def run(config: Config) -> Path:
    """Prepare, train, and write the adapter in diffusers' format; returns its folder."""
    config.last_stage()
    torch.manual_seed(config.training.seed)
    base = locate(config.base)
    encoders = Encoders.load(base)
    model = load_model(VideoTransformer, base / "transformer", torch.float32).train()
    config.add_to(model)
    train_flow(config, model, encoders)
    folder = config.folder
    if processes().is_main_process:
        save_lora(model, folder)
        write_training(folder, {"recipe": "t2v_lora", **asdict(config)}, None)
    return folder
