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
"""Seconds that quiet has to last to be silence: what falls between the bounces of a ball belongs to them."""


def silent_share(waveform: NDArray[np.floating], sample_rate: int) -> float:
    """Share of samples (N,) in pauses; 1 for fewer than fill a stretch."""
    size = max(round(STRETCH * sample_rate), 1)
    stretches = waveform[: len(waveform) // size * size].reshape(-1, size)
    if not len(stretches):
        return 1.0
    quiet = 10 * np.log10(np.square(stretches, dtype=np.float64).mean(axis=1) + 1e-20) < LEVEL
    least = min(round(PAUSE / STRETCH), len(quiet))
    return sum(stop - start for start, stop in runs(quiet) if stop - start >= least) / len(quiet)
