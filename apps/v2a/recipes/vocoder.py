"""The vocoder's recipe: Vocos on rendered sounds, by spectrograms at several resolutions."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from apps.v2a.codec.codec import VOCODER, load_mel_vae
from apps.v2a.codec.data import SoundCrops, SoundData, load_sounds
from apps.v2a.codec.losses import VocoderLoss, VocoderObjective
from apps.v2a.codec.mel import MelSpec
from apps.v2a.codec.vocoder import VocosVocoder
from foundation.training.checkpoint import load_averaged
from foundation.training.config import Training
from foundation.training.trainer import Trainer, processes
from foundation.weights.folder import write_training
from shared.errors import ConfigError


@dataclass
class VocosSize:
    """Widths and depth of Vocos's backbone: 0.9 million parameters."""

    dim: int = 176
    intermediate_dim: int = 352
    num_layers: int = 5


@dataclass
class Config:
    """Everything that `kinora train vocoder` can set.

    Training starts from the vocoder in the folder `start`, or from nothing (`model` says how wide). It is made for the
    mel VAE in the folder `mel_vae` and trained on what comes back from it, with noise of the standard deviation
    `deviation` on its latents; null trains on the spectrograms that `mel` describes. In use `passes` of
    `apps.v2a.codec.refinement.refined` follow it.
    """

    training: Training = field(default_factory=lambda: Training(output="runs/vocoder"))
    model: VocosSize = field(default_factory=VocosSize)
    passes: int = 2
    start: str | None = None
    mel_vae: str | None = "weights/starter/v2a/mel_vae"
    deviation: float = 0.05
    mel: dict[str, Any] = field(default_factory=lambda: asdict(MelSpec()))
    data: SoundData = field(default_factory=SoundData)
    loss: VocoderLoss = field(default_factory=VocoderLoss)
    export: str = "weights/starter/v2a"


def run(config: Config) -> Path:
    """Train, write the vocoder's folder, and return where it is."""
    torch.manual_seed(config.training.seed)
    vae = None if config.mel_vae is None else load_mel_vae(config.mel_vae)
    spec = MelSpec.from_mapping(config.mel) if vae is None else vae.spec
    sounds = load_sounds(config.data, spec)
    vocoder = VocosVocoder(spec, vars(config.model)) if config.start is None else _started(config.start, spec)
    vocoder.passes = config.passes
    objective = VocoderObjective(vocoder, config.loss, vae, config.deviation)
    last = Trainer(objective, SoundCrops(sounds, config.data, spec, vae), config.training).run()
    folder = Path(config.export) / VOCODER
    if processes().is_main_process:
        load_averaged(vocoder, last)
        vocoder.save_pretrained(folder)
        start = None if config.start is None else Path(config.start)
        write_training(folder, {"recipe": "vocoder", **asdict(config)}, start)
    return folder


def _started(folder: str, spec: MelSpec) -> VocosVocoder:
    """A vocoder to go on with, of the same spectrograms."""
    vocoder = VocosVocoder.from_folder(Path(folder))
    difference = vocoder.spec.difference(spec)
    if difference:
        raise ConfigError(f"start: {folder} is a vocoder for other spectrograms ({difference})")
    return vocoder.float().train().requires_grad_(True)
