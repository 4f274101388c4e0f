"""Crops of rendered clips for the VAE: videos, pictures, and videos that are tiled while training."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from foundation.data.loading import Batch, BucketOrder
from foundation.training.config import Crops


class Kind(NamedTuple):
    """How the samples of one bucket are cut."""

    frames: int
    tiled: bool


class ClipCrops:
    """Crops of rendered clips, at a random place in time and space.

    Sample `kind * clips + clip` is that clip in that way: as a video, as a picture, as a tiled video.
    """

    def __init__(self, clips: Sequence[np.ndarray], crop: Crops, latent_channels: int) -> None:
        self.clips, self.crop, self.latent_channels = clips, crop, latent_channels
        self.ends = np.cumsum([len(part) for part in clips])
        self.kinds = [Kind(crop.frames, tiled=False)]
        self.scales = [1.0]
        if crop.videos_per_picture:
            self.kinds.append(Kind(1, tiled=False))
            self.scales.append(float(crop.videos_per_picture))
        if crop.tiled:
            self.kinds.append(Kind(crop.frames, tiled=True))
            self.scales.append(1.0)

    def __len__(self) -> int:
        return int(self.ends[-1]) * len(self.kinds)

    def order(self, seed: int) -> BucketOrder:
        """Batches of one kind each."""
        count = int(self.ends[-1])
        buckets = (tuple(range(i * count, (i + 1) * count)) for i in range(len(self.kinds)))
        return BucketOrder(tuple(buckets), tuple(self.scales), seed)

    def batch(self, ids: Sequence[int], generators: Sequence[np.random.Generator]) -> Batch:
        """`frames` (B, 3, F, H, W) in [-1, 1], `noise` (B, C, T, h, w), and `tiled` () bool."""
        number, _ = divmod(ids[0], int(self.ends[-1]))
        kind = self.kinds[number]
        clips = [self._clip(i % int(self.ends[-1])) for i in ids]
        frames = np.stack(
            [self._cut(clip, kind.frames, g) for clip, g in zip(clips, generators, strict=True)]
        )
        side = self.crop.size // 8
        shape = (self.latent_channels, (kind.frames - 1) // 4 + 1, side, side)
        noise = np.stack([g.standard_normal(shape, dtype=np.float32) for g in generators])
        video = torch.from_numpy(frames).permute(0, 4, 1, 2, 3).float() / 127.5 - 1
        return {"frames": video, "noise": torch.from_numpy(noise), "tiled": torch.tensor(kind.tiled)}

    def _clip(self, index: int) -> np.ndarray:
        part = int(np.searchsorted(self.ends, index, side="right"))
        return self.clips[part][index - self.ends[part] + len(self.clips[part])]

    def _cut(self, clip: np.ndarray, frames: int, generator: np.random.Generator) -> np.ndarray:
        longest = (len(clip) - 1) // max(1, frames - 1)
        interval = int(generator.integers(1, min(self.crop.interval, longest) + 1))
        first = int(generator.integers(len(clip) - (frames - 1) * interval))
        clip = clip[first : first + (frames - 1) * interval + 1 : interval]
        halve = generator.random() < self.crop.halved
        size = self.crop.size * (2 if halve else 1)
        places = generator.integers(clip.shape[1] - size + 1, size=(self.crop.looks, 2))
        crops = [clip[:, y : y + size, x : x + size] for y, x in places]
        busiest = max(crops, key=lambda crop: crop[frames // 2].std())
        return _halve(busiest) if halve else busiest


def _halve(frames: np.ndarray) -> np.ndarray:
    """(F, H, W, 3) uint8 -> (F, H / 2, W / 2, 3), the mean of every four pixels."""
    count, height, width, channels = frames.shape
    cells = frames.reshape(count, height // 2, 2, width // 2, 2, channels)
    return np.rint(cells.mean((2, 4))).astype(np.uint8)
