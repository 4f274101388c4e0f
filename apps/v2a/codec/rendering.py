"""Sounds of the toybox rendered once into a memory-mapped file."""

from functools import partial
from pathlib import Path

import numpy as np

from foundation.training.toy_clips import rendered
from shared.toybox.impacts import SAMPLE_RATE
from shared.toybox.sampling import Split
from shared.toybox.sounds import toy_sound

FULL_SCALE = 32767


def rendered_sounds(folder: Path, count: int, seconds: float = 4.0, split: Split = "train") -> np.ndarray:
    """(count, N) int16 at `SAMPLE_RATE`, read from `folder` or rendered into it first; row i is of seed i."""
    path = folder / f"sounds-{split}-{count}x{seconds:g}s.npy"
    shape = (count, round(seconds * SAMPLE_RATE))
    return rendered(path, shape, np.int16, partial(_samples, seconds=seconds, split=split))


def _samples(seed: int, seconds: float, split: Split) -> np.ndarray:
    waveform = toy_sound(seed, split, seconds).waveform
    return np.rint(waveform * FULL_SCALE).astype(np.int16)
