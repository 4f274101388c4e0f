"""The VAE's recipe: random crops of toybox clips, L1 + MSE + KL."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from foundation.training.checkpoint import read_checkpoint
from foundation.training.config import Training
from foundation.training.toy_clips import Worlds, rendered_clips
from foundation.training.trainer import Batch, Trainer, processes
from foundation.vae.deeper import deepened
from foundation.vae.losses import VAEObjective
from foundation.vae.model import CausalVideoVAE
from foundation.vae.silent import wake_silent_channels
from foundation.weights.folder import write_training


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
class Crops:
    """What is cut from a clip for one sample; `looks` places are tried and the busiest is taken."""

    worlds: Worlds = field(
        default_factory=lambda: Worlds(
            mix=12000, pairs=2500, cameras=2500, materials=2500, puppets=5000, skeletons=2500
        )
    )
    cache: str = "cache/toybox"
    frames: int = 17
    size: int = 32
    looks: int = 3


@dataclass
class Config:
    """Everything that `kinora train vae` can set.

    Training starts from the weights of the folder `start`, or from nothing; `deepen` adds residual blocks to that
    many a level, `wake` draws its silent channels anew, `decoder_only` leaves the latents as they are. The posterior
    has the standard deviation `deviation` everywhere; null learns it.
    """

    training: Training = field(default_factory=lambda: Training(output="runs/vae"))
    model: VAEModel = field(default_factory=VAEModel)
    data: Crops = field(default_factory=Crops)
    start: str | None = None
    deepen: int | None = None
    wake: bool = False
    decoder_only: bool = False
    deviation: float | None = 0.1
    mse_weight: float = 2.0
    kl_weight: float = 1e-6
    export: str = "weights/starter"


SCALE_CLIPS = 200
"""Clips that the scale of the latents is measured on."""


class ClipCrops:
    """Crops of rendered clips, at a random place in time and space."""

    def __init__(self, clips: Sequence[np.ndarray], crop: Crops, latent_channels: int) -> None:
        self.clips, self.crop = clips, crop
        self.ends = np.cumsum([len(part) for part in clips])
        self.noise_shape = (latent_channels, (crop.frames - 1) // 4 + 1, crop.size // 8, crop.size // 8)

    def __len__(self) -> int:
        return int(self.ends[-1])

    def batch(self, ids: Sequence[int], generators: Sequence[np.random.Generator]) -> Batch:
        """`frames` (B, 3, F, H, W) in [-1, 1] and `noise` (B, C, T, h, w) for the posterior's sample."""
        frames = np.stack([self._crop(self._clip(i), g) for i, g in zip(ids, generators, strict=True)])
        noise = np.stack([g.standard_normal(self.noise_shape, dtype=np.float32) for g in generators])
        video = torch.from_numpy(frames).permute(0, 4, 1, 2, 3).float() / 127.5 - 1
        return {"frames": video, "noise": torch.from_numpy(noise)}

    def _clip(self, index: int) -> np.ndarray:
        part = int(np.searchsorted(self.ends, index, side="right"))
        return self.clips[part][index - self.ends[part] + len(self.clips[part])]

    def _crop(self, clip: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        frames, size = self.crop.frames, self.crop.size
        first = int(generator.integers(len(clip) - frames + 1))
        places = generator.integers(clip.shape[1] - size + 1, size=(self.crop.looks, 2))
        crops = [clip[first : first + frames, y : y + size, x : x + size] for y, x in places]
        return max(crops, key=lambda crop: crop[frames // 2].std())


def run(config: Config) -> Path:
    """Train, write the VAE's folder, and return where it is."""
    torch.manual_seed(config.training.seed)
    vae = (
        build(config.model) if config.start is None else CausalVideoVAE.from_pretrained(config.start).float()
    )
    if config.deepen is not None:
        vae = deepened(vae, config.deepen)
    cache, worlds = Path(config.data.cache), config.data.worlds.counts()
    with processes().main_process_first():
        clips = [rendered_clips(cache, count, world) for world, count in worlds.items()]
    samples = ClipCrops(clips, config.data, vae.config.latent_channels)
    if config.decoder_only:
        vae.encoder.requires_grad_(False)
        vae.quant_conv.requires_grad_(False)
    else:
        _prepare_posterior(config, vae, _some(clips[0]))
    vae.to(memory_format=torch.channels_last_3d)
    objective = VAEObjective(vae, config.deviation, config.mse_weight, config.kl_weight)
    last = Trainer(objective, samples, config.training).run()
    if processes().is_main_process:
        export(config, vae, last, _some(clips[0]))
    return Path(config.export) / "vae"


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
    vae.load_state_dict(read_checkpoint(checkpoint)[0]["ema"], strict=False)
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
