"""The VAE's recipe: random crops of toybox clips, L1, perceptual, adversarial and KL losses (paper equation 1)."""

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from foundation.training.checkpoint import read_checkpoint
from foundation.training.clip_crops import ClipCrops, Crops
from foundation.training.config import Training
from foundation.training.toy_clips import rendered_clips
from foundation.training.trainer import Trainer, processes
from foundation.vae.deeper import deepened
from foundation.vae.discriminator import PatchDiscriminator
from foundation.vae.losses import LossWeights, VAELearner, VAEObjective
from foundation.vae.model import CausalVideoVAE
from foundation.vae.perceptual import perceptual_distance
from foundation.vae.silent import wake_silent_channels
from foundation.vae.tiling import Tiling
from foundation.weights.folder import write_training
from foundation.weights.loading import load_model


@dataclass
class VAEModel:
    """Configuration of a `CausalVideoVAE` trained from nothing."""

    block_out_channels: list[int] = field(default_factory=lambda: [64, 64, 80])
    layers_per_block: int = 1
    latent_channels: int = 16
    patch_size: int = 4
    norm_type: str = "rms"
    mid_block_add_attention: bool = False


@dataclass
class Config:
    """Everything that `kinora train vae` can set.

    Training starts from the weights of the folder `start`, or from nothing; `deepen` adds residual blocks to that
    many a level, `wake` draws its silent channels anew, `decoder_only` leaves the latents as they are. The posterior
    has the standard deviation `deviation` everywhere; null learns it. The perceptual loss sees with `network`: `lpips`
    (VGG-16's weights must be on disk) or `clip`, the vision tower in the model folder `base`. Tiles are `tile` pixels
    wide and `tile_frames` frames long, and overlap by half.
    """

    training: Training = field(default_factory=lambda: Training(output="runs/vae"))
    model: VAEModel = field(default_factory=VAEModel)
    data: Crops = field(default_factory=Crops)
    loss: LossWeights = field(default_factory=LossWeights)
    network: str = "clip"
    base: str = "weights/starter"
    start: str | None = None
    deepen: int | None = None
    wake: bool = False
    decoder_only: bool = False
    deviation: float | None = 0.1
    tile: int = 32
    tile_frames: int = 8
    export: str = "weights/starter"


SCALE_CLIPS = 200
"""Clips that the scale of the latents is measured on."""


def run(config: Config) -> Path:
    """Train, write the VAE's folder, and return where it is."""
    torch.manual_seed(config.training.seed)
    vae = build(config.model) if config.start is None else _started(config.start)
    if config.deepen is not None:
        vae = deepened(vae, config.deepen)
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
    return Path(config.export) / "vae"


def _started(folder: str) -> CausalVideoVAE:
    return load_model(CausalVideoVAE, Path(folder), torch.float32).train().requires_grad_(True)


def _objective(config: Config, vae: CausalVideoVAE) -> VAEObjective:
    loss = config.loss
    learner = VAELearner(vae, PatchDiscriminator() if loss.adversarial else None)
    seen = perceptual_distance(config.network, Path(config.base)) if loss.perceptual else None
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
    VAELearner(vae, None).load_state_dict(read_checkpoint(checkpoint)[0]["ema"], strict=False)
    vae = vae.to(torch.bfloat16).float().to(memory_format=torch.channels_last_3d)
    if not config.decoder_only:
        vae.register_to_config(scaling_factor=1 / float(raw_latents(vae, clips).std()))
    folder = Path(config.export) / "vae"
    vae.to(torch.bfloat16).save_pretrained(folder)
    start = Path(config.start) if config.start is not None else None
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
