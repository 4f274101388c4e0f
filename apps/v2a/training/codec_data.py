"""Sounds of the toybox, rendered once, and crops of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from apps.v2a.codec.mel import MelSpec
from apps.v2a.codec.mel_vae import MelVAE
from apps.v2a.training.config import SoundData
from foundation.data.loading import Batch
from foundation.data.toybox.clips import rendered
from foundation.training.trainer import processes
from shared.errors import ConfigError
from shared.toybox.scenes.sampling import Split
from shared.toybox.sounds.impacts import SAMPLE_RATE
from shared.toybox.sounds.sound import toy_sound


def load_sounds(data: SoundData, spec: MelSpec) -> np.ndarray:
    """The rendered sounds, (N, samples) int16; the main process renders them where that is not yet done.

    Raises:
        ConfigError: the toybox has another sample rate, or crops are longer than sounds.
    """
    if spec.sample_rate != SAMPLE_RATE:
        raise ConfigError(f"mel.sample_rate {spec.sample_rate}: the toybox sounds at {SAMPLE_RATE}")
    if not spec.margin < spec.samples(data.frames) <= data.seconds * SAMPLE_RATE:
        raise ConfigError(
            f"data.frames {data.frames}: crops of {spec.samples(data.frames)} samples; need more than {spec.margin} "
            f"and at most the {round(data.seconds * SAMPLE_RATE)} of a sound"
        )
    with processes().main_process_first():
        return rendered_sounds(Path(data.cache), data.sounds, data.seconds)


class SoundCrops:
    """Crops of rendered sounds, each with noise of its latents' shape where they pass a VAE.

    Args:
        sounds: (N, samples) int16.
        data: what is cut.
        spec: of the spectrograms.
        vae: which latents.
    """

    def __init__(self, sounds: np.ndarray, data: SoundData, spec: MelSpec, vae: MelVAE | None) -> None:
        self.sounds, self.data, self.length = sounds, data, spec.samples(data.frames)
        self.shape: tuple[int, ...] | None = None
        if vae is not None:
            if data.frames % vae.time_compression:
                raise ConfigError(
                    f"data.frames {data.frames}: a multiple of {vae.time_compression} is needed"
                )
            self.shape = (
                vae.config.latent_channels,
                data.frames // vae.time_compression,
                vae.latent_bands,
            )

    def __len__(self) -> int:
        return len(self.sounds)

    def batch(self, ids: Sequence[int], generators: Sequence[np.random.Generator]) -> Batch:
        """`waveform` (B, N) in [-1, 1] and, with a VAE, `noise` (B, C, T, K)."""
        crops = [self._cut(self.sounds[i], g) for i, g in zip(ids, generators, strict=True)]
        batch = {"waveform": torch.from_numpy(np.stack(crops))}
        if self.shape is not None:
            noise = [g.standard_normal(self.shape, dtype=np.float32) for g in generators]
            batch["noise"] = torch.from_numpy(np.stack(noise))
        return batch

    def _cut(self, sound: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        places = generator.integers(len(sound) - self.length + 1, size=self.data.looks)
        crops = [sound[place : place + self.length].astype(np.float32) / FULL_SCALE for place in places]
        gain = 10 ** (-generator.uniform(0, self.data.quieter) / 20)
        return np.float32(gain) * max(crops, key=lambda crop: float(crop.std()))


FULL_SCALE = 32767


def rendered_sounds(folder: Path, count: int, seconds: float = 4.0, split: Split = "train") -> np.ndarray:
    """(count, N) int16 at `SAMPLE_RATE`, read from `folder` or rendered into it first; row i is of seed i."""
    path = folder / f"sounds-{split}-{count}x{seconds:g}s.npy"
    shape = (count, round(seconds * SAMPLE_RATE))
    return rendered(path, shape, np.int16, partial(_samples, seconds=seconds, split=split))


def _samples(seed: int, seconds: float, split: Split) -> np.ndarray:
    waveform = toy_sound(seed, split, seconds).waveform
    return np.rint(waveform * FULL_SCALE).astype(np.int16)
