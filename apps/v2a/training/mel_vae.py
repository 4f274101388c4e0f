"""The mel VAE's recipe: crops of rendered sounds, L1, MSE and a fixed posterior."""

import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from apps.v2a.codec.codec import MEL_VAE
from apps.v2a.codec.mel import MelSpec, log_mel
from apps.v2a.codec.mel_vae import MelVAE
from apps.v2a.training.codec_data import FULL_SCALE, SoundCrops, load_sounds
from apps.v2a.training.codec_losses import MelVAEObjective
from apps.v2a.training.config import MelVAEConfig as Config
from foundation.checkpoints.model_folder import write_training
from foundation.training.checkpoint import load_averaged
from foundation.training.trainer import Trainer, processes

MEASURED = 100
"""Sounds on which mean and deviation of spectrograms, and the scale of the latents, are measured."""


def run(config: Config) -> Path:
    """Train, write the mel VAE's folder, and return where it is."""
    torch.manual_seed(config.training.seed)
    spec = MelSpec.from_mapping(config.mel)
    sounds = load_sounds(config.data, spec)
    vae = build(config, sounds)
    samples = SoundCrops(sounds, config.data, spec, vae)
    last = Trainer(MelVAEObjective(vae, config.loss, config.deviation), samples, config.training).run()
    folder = config.folder / MEL_VAE
    if processes().is_main_process:
        export(config, vae, last, sounds)
    return folder


def build(config: Config, sounds: np.ndarray) -> MelVAE:
    """A `MelVAE` with random weights, that knows the spectrograms' mean and deviation and its posterior's."""
    spec = MelSpec.from_mapping(config.mel)
    mel = spectrograms(spec, sounds)
    model = {name: tuple(v) if isinstance(v, list) else v for name, v in vars(config.model).items()}
    vae = MelVAE(mel=asdict(spec), **model, mel_mean=float(mel.mean()), mel_std=float(mel.std()))
    with torch.no_grad():
        vae.quant_conv.weight[vae.config.latent_channels :] = 0
        vae.quant_conv.bias[vae.config.latent_channels :] = 2 * math.log(config.deviation)
    return vae


def export(config: Config, vae: MelVAE, checkpoint: Path, sounds: np.ndarray) -> None:
    """Write the averaged weights in bfloat16; `scaling_factor` gives the latents of sounds unit deviation."""
    load_averaged(vae, checkpoint)
    vae = vae.to(torch.bfloat16).float()
    mel = spectrograms(vae.spec, sounds)
    with torch.no_grad():
        raw = vae.encode(mel[:, : mel.shape[1] // vae.time_compression * vae.time_compression]).mean
    vae.register_to_config(scaling_factor=1 / float(raw.std()))
    folder = config.folder / MEL_VAE
    vae.to(torch.bfloat16).save_pretrained(folder)
    write_training(folder, {"recipe": "mel_vae", **asdict(config)})


def spectrograms(spec: MelSpec, sounds: np.ndarray) -> Tensor:
    """Log-mels (N, T, M) of a hundred of many sounds (N, samples) int16."""
    some = sounds[:: max(1, len(sounds) // MEASURED)]
    return log_mel(torch.from_numpy(some.astype(np.float32) / FULL_SCALE), spec)
