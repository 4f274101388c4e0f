"""How much of a clip is silent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from apps.v2a.curation.activity import runs

LEVEL = -60.0
"""dB of full scale below which a stretch is quiet."""

STRETCH = 0.02
"""Seconds whose level is measured."""

PAUSE = 1.5
"""Seconds that quiet has to last between two sounds to be silence: what falls between a ball's bounces belongs to
them."""


def silent_share(waveform: NDArray[np.floating], sample_rate: int) -> float:
    """Share of samples (N,) before the first sound, after the last, and in pauses; 1 for fewer than fill a stretch."""
    size = max(round(STRETCH * sample_rate), 1)
    stretches = waveform[: len(waveform) // size * size].reshape(-1, size)
    if not len(stretches):
        return 1.0
    quiet = 10 * np.log10(np.square(stretches, dtype=np.float64).mean(axis=1) + 1e-20) < LEVEL
    least = round(PAUSE / STRETCH)
    pauses = [(a, b) for a, b in runs(quiet) if a == 0 or b == len(quiet) or b - a >= least]
    return sum(stop - start for start, stop in pauses) / len(quiet)
