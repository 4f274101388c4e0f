"""The VAE's recipe: random crops of toybox clips, L1, perceptual, adversarial and KL losses (paper equation 1)."""

import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from foundation.checkpoints.loading import load_model
from foundation.checkpoints.model_folder import write_training
from foundation.checkpoints.registry import locate
from foundation.data.toybox.clips import rendered_clips
from foundation.models.vae.model import CausalVideoVAE
from foundation.models.vae.tiling import Tiling
from foundation.training.checkpoint import read_averaged
from foundation.training.config import VAEConfig as Config
from foundation.training.config import VAEModel
from foundation.training.trainer import Trainer, processes
from foundation.training.vae.crops import ClipCrops
from foundation.training.vae.discriminator import PatchDiscriminator
from foundation.training.vae.losses import VAELearner, VAEObjective
from foundation.training.vae.perceptual import perceptual_distance
from foundation.training.vae.surgery import deepen, wake_silent_channels

SCALE_CLIPS = 200
"""Clips that the scale of the latents is measured on."""


def run(config: Config) -> Path:
    """Train, write the VAE's folder, and return where it is."""
    torch.manual_seed(config.training.seed)
    vae = build(config.model) if config.start is None else _started(config.start)
    if config.deepen is not None:
        vae = deepen(vae, config.deepen)
    cache, worlds = Path(config.data.cache), config.data.worlds.counts()
    with processes().main_process_first():
        clips = [
            rendered_clips(cache, count, world, size=config.data.clip_size) for world, count in worlds.items()
        ]
    if config.decoder_only:
        vae.encoder.requires_grad_(False)
        vae.quant_conv.requires_grad_(False)
    else:
        _prepare_posterior(config, vae, _some(clips[0]))
    vae.to(memory_format=torch.channels_last_3d)
    samples = ClipCrops(clips, config.data, vae.config.latent_channels)
    last = Trainer(
        _objective(config, vae), samples, config.training, samples.order(config.training.seed)
    ).run()
    if processes().is_main_process:
        export(config, vae, last, _some(clips[0]))
    return config.folder / "vae"


def _started(folder: str) -> CausalVideoVAE:
    return load_model(CausalVideoVAE, _vae_folder(folder), torch.float32).train().requires_grad_(True)


def _vae_folder(name: str) -> Path:
    """A VAE's folder, or that of a model which holds one."""
    folder = locate(name)
    return folder / "vae" if (folder / "vae").is_dir() else folder


def _objective(config: Config, vae: CausalVideoVAE) -> VAEObjective:
    loss = config.loss
    learner = VAELearner(vae, PatchDiscriminator() if loss.adversarial else None)
    seen = perceptual_distance(config.network, locate(config.base)) if loss.perceptual else None
    tiling = Tiling(config.tile, config.tile // 2, config.tile_frames, config.tile_frames // 2)
    return VAEObjective(learner, loss, config.deviation, seen, tiling)


@torch.no_grad()
def _prepare_posterior(config: Config, vae: CausalVideoVAE, clips: np.ndarray) -> None:
    if config.wake:
        wake_silent_channels(vae, raw_latents(vae, clips))
    if config.deviation is not None:
        channels = vae.config.latent_channels
        vae.quant_conv.weight[channels:] = 0
        vae.quant_conv.bias[channels:] = 2 * math.log(config.deviation)


def build(model: VAEModel) -> CausalVideoVAE:
    """A `CausalVideoVAE` with random weights."""
    blocks = len(model.block_out_channels)
    return CausalVideoVAE(
        **vars(model),
        down_block_types=("HunyuanVideoDownBlock3D",) * blocks,
        up_block_types=("HunyuanVideoUpBlock3D",) * blocks,
    )


def export(config: Config, vae: CausalVideoVAE, checkpoint: Path, clips: np.ndarray) -> None:
    """Write the averaged weights in bfloat16; `scaling_factor` gives the latents of `clips` unit deviation.

    Where the decoder alone was trained it stays as it is: the latents did not change.
    """
    VAELearner(vae, None).load_state_dict(read_averaged(checkpoint), strict=False)
    vae = vae.to(torch.bfloat16).float().to(memory_format=torch.channels_last_3d)
    if not config.decoder_only:
        vae.register_to_config(scaling_factor=1 / float(raw_latents(vae, clips).std()))
    folder = config.folder / "vae"
    vae.to(torch.bfloat16).save_pretrained(folder)
    start = None if config.start is None else _vae_folder(config.start)
    write_training(folder, {"recipe": "vae", **asdict(config)}, start)


@torch.no_grad()
def raw_latents(vae: CausalVideoVAE, clips: np.ndarray) -> Tensor:
    """Posterior means (N, C, T, h, w) of whole clips (N, F, H, W, 3) uint8."""
    means = [
        vae.encode(torch.tensor(clip).permute(3, 0, 1, 2)[None].float() / 127.5 - 1).mean for clip in clips
    ]
    return torch.cat(means)


def _some(clips: np.ndarray) -> np.ndarray:
    """A few hundred of many clips."""
    return clips[:: max(1, len(clips) // SCALE_CLIPS)]
