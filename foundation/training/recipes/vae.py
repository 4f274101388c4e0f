"""The VAE's recipe: random crops of toybox clips, L1 + MSE + KL."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from foundation.training.config import Training
from foundation.training.toy_clips import rendered_clips
from foundation.training.trainer import Batch, Trainer
from foundation.vae.losses import VAEObjective
from foundation.vae.model import CausalVideoVAE


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
    """What is cut from a clip for one sample."""

    clips: int = 12000
    cache: str = "cache/toybox"
    frames: int = 9
    size: int = 32


@dataclass
class Config:
    """Everything that `kinora train vae` can set."""

    training: Training = field(default_factory=lambda: Training(output="runs/vae", learning_rate=0.02))
    model: VAEModel = field(default_factory=VAEModel)
    data: Crops = field(default_factory=Crops)
    mse_weight: float = 2.0
    kl_weight: float = 1e-6


class ClipCrops:
    """Crops of rendered clips, at a random place in time and space."""

    def __init__(self, clips: np.ndarray, crop: Crops, latent_channels: int) -> None:
        self.clips, self.crop = clips, crop
        self.noise_shape = (latent_channels, (crop.frames - 1) // 4 + 1, crop.size // 8, crop.size // 8)

    def __len__(self) -> int:
        return len(self.clips)

    def batch(self, ids: Sequence[int], generators: Sequence[np.random.Generator]) -> Batch:
        """`frames` (B, 3, F, H, W) in [-1, 1] and `noise` (B, C, T, h, w) for the posterior's sample."""
        frames = np.stack([self._crop(self.clips[i], g) for i, g in zip(ids, generators, strict=True)])
        noise = np.stack([g.standard_normal(self.noise_shape, dtype=np.float32) for g in generators])
        video = torch.from_numpy(frames).permute(0, 4, 1, 2, 3).float() / 127.5 - 1
        return {"frames": video, "noise": torch.from_numpy(noise)}

    def _crop(self, clip: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        wanted = (self.crop.frames, self.crop.size, self.crop.size)
        start = [int(generator.integers(have - want + 1)) for have, want in zip(clip.shape, wanted, strict=False)]
        return clip[tuple(slice(s, s + want) for s, want in zip(start, wanted, strict=True))]


def run(config: Config) -> Path:
    """Train and return the last checkpoint."""
    torch.manual_seed(config.training.seed)
    blocks = len(config.model.block_out_channels)
    vae = CausalVideoVAE(
        **vars(config.model),
        down_block_types=("HunyuanVideoDownBlock3D",) * blocks,
        up_block_types=("HunyuanVideoUpBlock3D",) * blocks,
    ).to(memory_format=torch.channels_last_3d)
    samples = ClipCrops(
        rendered_clips(Path(config.data.cache), config.data.clips), config.data, config.model.latent_channels
    )
    return Trainer(VAEObjective(vae, config.mse_weight, config.kl_weight), samples, config.training).run()
