"""The vocoder's recipe: Vocos on rendered sounds, by spectrograms at several resolutions."""

from dataclasses import asdict
from pathlib import Path

import torch

from apps.v2a.checkpoints import sound_folder
from apps.v2a.codec.codec import MEL_VAE, VOCODER, load_mel_vae
from apps.v2a.codec.mel import MelSpec
from apps.v2a.codec.vocoder import VocosVocoder
from apps.v2a.training.codec_data import SoundCrops, load_sounds
from apps.v2a.training.codec_losses import VocoderObjective
from apps.v2a.training.config import VocoderConfig as Config
from foundation.checkpoints.model_folder import write_training
from foundation.training.checkpoint import load_averaged
from foundation.training.trainer import Trainer, processes
from shared.errors import ConfigError


def run(config: Config) -> Path:
    """Train, write the vocoder's folder, and return where it is."""
    torch.manual_seed(config.training.seed)
    vae = None if config.mel_vae is None else load_mel_vae(_part(config.mel_vae, MEL_VAE))
    spec = MelSpec.from_mapping(config.mel) if vae is None else vae.spec
    sounds = load_sounds(config.data, spec)
    vocoder = (
        VocosVocoder(spec, vars(config.model))
        if config.start is None
        else _started(_part(config.start, VOCODER), spec)
    )
    vocoder.passes = config.passes
    objective = VocoderObjective(vocoder, config.loss, vae, config.deviation)
    last = Trainer(objective, SoundCrops(sounds, config.data, spec, vae), config.training).run()
    folder = config.folder / VOCODER
    if processes().is_main_process:
        load_averaged(vocoder, last)
        vocoder.save_pretrained(folder)
        start = None if config.start is None else _part(config.start, VOCODER)
        write_training(folder, {"recipe": "vocoder", **asdict(config)}, start)
    return folder


def _part(name: str, part: str) -> Path:
    """The folder of a codec's part, or of a model that holds one."""
    folder = sound_folder(name)
    return folder / part if (folder / part).is_dir() else folder


def _started(folder: Path, spec: MelSpec) -> VocosVocoder:
    """A vocoder to go on with, of the same spectrograms."""
    vocoder = VocosVocoder.from_folder(folder)
    difference = vocoder.spec.difference(spec)
    if difference:
        raise ConfigError(f"start: {folder} is a vocoder for other spectrograms ({difference})")
    return vocoder.float().train().requires_grad_(True)
