"""How loud a sound is, and the same sound at another loudness."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter1d, uniform_filter1d
from scipy.signal import lfilter

from shared.media.sound import Sound

Waveform = NDArray[np.float32]
Coefficients = NDArray[np.float64]

BLOCK = 0.4
"""Seconds of a block; three quarters of it are the next one's too."""

OFFSET, ABSOLUTE_GATE, RELATIVE_GATE = -0.691, -70.0, -10.0
"""dB; blocks below the gates do not count."""

PEAK = 10 ** (-1 / 20)
"""One decibel below full scale: what AAC may overshoot by."""

ATTACK = 0.005
"""Seconds in which the limiter comes and goes."""

ROUNDS = 8


def loudness(waveform: Waveform, rate: int) -> float:
    """Integrated loudness in LUFS (ITU-R BS.1770-4), of one or two channels (C, N); -inf for silence.

    A sound of less than 0.4 s is measured as if it were repeated.
    """
    block, step = round(BLOCK * rate), round(BLOCK * rate / 4)
    repeats = math.ceil(block / waveform.shape[1])
    heard = lfilter(*_high_pass(rate), lfilter(*_shelf(rate), np.tile(waveform, repeats).astype(np.float64)))
    energy = np.concatenate([[0.0], np.cumsum(np.square(heard).sum(axis=0))])
    starts = np.arange(0, heard.shape[1] - block + 1, step)
    power = (energy[starts + block] - energy[starts]) / block
    kept = power[power > _power(ABSOLUTE_GATE)]
    if not len(kept):
        return -math.inf
    kept = kept[kept > kept.mean() * 10 ** (RELATIVE_GATE / 10)]
    return OFFSET + 10 * math.log10(kept.mean())


def _power(lufs: float) -> float:
    return 10 ** ((lufs - OFFSET) / 10)


def _shelf(rate: int) -> tuple[Coefficients, Coefficients]:
    """The standard's first filter, the head's effect, at any rate: numerator and denominator."""
    gain, quality, turn = (
        10 ** (3.999843853973347 / 20),
        0.7071752369554196,
        math.tan(math.pi * 1681.974450955533 / rate),
    )
    middle = gain**0.4996667741545416
    own = 1 + turn / quality + turn**2
    top = [
        gain + middle * turn / quality + turn**2,
        2 * (turn**2 - gain),
        gain - middle * turn / quality + turn**2,
    ]
    return np.array(top) / own, np.array([own, 2 * (turn**2 - 1), 1 - turn / quality + turn**2]) / own


def _high_pass(rate: int) -> tuple[Coefficients, Coefficients]:
    """The standard's second filter, which leaves out what is felt and not heard."""
    quality, turn = 0.5003270373238773, math.tan(math.pi * 38.13547087602444 / rate)
    own = 1 + turn / quality + turn**2
    return np.array([1.0, -2.0, 1.0]), np.array([own, 2 * (turn**2 - 1), 1 - turn / quality + turn**2]) / own


def at_loudness(waveform: Waveform, rate: int, target: float) -> Waveform:
    """The sound (C, N) at a loudness in LUFS, peaks limited to -1 dB; silence stays silence."""
    gain, made = 0.0, waveform
    for _ in range(ROUNDS):
        now = loudness(made, rate)
        if math.isinf(now) or abs(now - target) < 0.05:
            break
        gain += target - now
        made = limited(waveform * np.float32(10 ** (gain / 20)), rate)
    return made


def limited(waveform: Waveform, rate: int) -> Waveform:
    """The sound (C, N) with its peaks turned down smoothly, all channels alike, to `PEAK`."""
    highest = np.abs(waveform).max(axis=0)
    if highest.max(initial=0.0) <= PEAK:
        return waveform
    span = 2 * round(ATTACK * rate) + 1
    gain = minimum_filter1d(np.minimum(1.0, PEAK / np.maximum(highest, PEAK)), span, mode="nearest")
    return (waveform * uniform_filter1d(gain, span, mode="nearest")).astype(np.float32)


def mixed(old: Sound, new: Sound, target: float) -> Sound:
    """Two sounds as one: at the old one's rate and channels, as long as the new one, at a loudness in LUFS."""
    rate, length = old.sample_rate, math.floor(new.seconds * old.sample_rate + 0.5)
    parts = []
    for waveform in (old.waveform, new.resampled(rate).waveform):
        whole = np.zeros((len(old.waveform), length), np.float32)
        heard = waveform[:, :length]
        whole[:, : heard.shape[1]] = heard
        parts.append(at_loudness(whole, rate, target))
    return Sound(at_loudness(parts[0] + parts[1], rate, target), rate)
