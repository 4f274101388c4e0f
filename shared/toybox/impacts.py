"""How materials sound: modal impacts, and the noise of rolling.

A struck object rings in a few modes, damped sinusoids whose frequencies and decays tell its material, behind the
short noise of the contact (modal synthesis, as in van den Doel, Kry and Pai 2001, "FoleyAutomatic").
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

SAMPLE_RATE = 16_000
GRID = 62.5
"""Hz: every tone of the toybox is a multiple of it.

Vocoders see a spectrogram, which does not tell the phase of a steady tone; on this grid a phase advances by whole
turns from one spectrogram frame (16 ms) to the next, so that there is nothing to be told.
"""

RING = 1.5
"""Seconds after which an impact has died away."""

AVERAGE_SIZE = 0.38
"""Radius at which an object sounds as its material's voice says; larger ones are lower."""

Samples = NDArray[np.float64]


@dataclass(frozen=True)
class Voice:
    """How one material sounds.

    Attributes:
        modes: frequencies in Hz.
        levels: amplitude of each mode.
        decay: seconds in which the lowest mode falls to 1/e.
        damping: how much faster higher modes decay (exponent of the ratio of frequencies).
        contact: centre in Hz, amplitude, and decay in seconds of the noise of the contact.
        rolling: centre in Hz of the noise of rolling.
    """

    modes: tuple[float, ...]
    levels: tuple[float, ...]
    decay: float
    damping: float
    contact: tuple[float, float, float]
    rolling: float


VOICES: dict[str | None, Voice] = {
    "wood": Voice((440, 1060, 1750, 2600), (1.0, 0.6, 0.35, 0.2), 0.05, 0.5, (1500, 0.3, 0.004), 700),
    "metal": Voice(
        (620, 1490, 2560, 3900, 5450), (0.7, 1.0, 0.8, 0.6, 0.4), 0.5, 0.4, (4000, 0.3, 0.003), 2400
    ),
    "rubber": Voice((125, 190, 310), (1.0, 0.6, 0.3), 0.07, 0.5, (320, 0.3, 0.008), 300),
    "glass": Voice((2060, 3380, 4940, 6310), (1.0, 0.8, 0.6, 0.4), 0.2, 0.5, (6000, 0.3, 0.002), 3600),
    "stone": Voice((1190, 1940, 2750, 3690), (1.0, 0.9, 0.8, 0.6), 0.015, 0.3, (2500, 0.8, 0.01), 1300),
    None: Voice((310, 620, 940), (1.0, 0.45, 0.25), 0.11, 0.5, (900, 0.2, 0.005), 500),
}
"""By word of `vocabulary.MATERIALS`; None is a plain surface."""


def impact(material: str | None, size: float) -> Samples:
    """One impact of an object of that radius, peak 1: (RING * SAMPLE_RATE,)."""
    voice = VOICES[material]
    time = np.arange(round(RING * SAMPLE_RATE)) / SAMPLE_RATE
    pitch = np.clip((AVERAGE_SIZE / size) ** 0.6, 0.8, 1.25)
    modes = np.maximum(np.round(pitch * np.array(voice.modes) / GRID), 2) * GRID
    decays = voice.decay * (modes[0] / modes) ** voice.damping
    ringing = np.array(voice.levels) @ (
        np.exp(-time / decays[:, None]) * np.sin(2 * np.pi * modes[:, None] * time)
    )
    center, level, fade = voice.contact
    noise = band_noise(np.random.default_rng(0), len(time), center, 0.6)
    sound = ringing / np.abs(ringing).max() + level * noise * np.exp(-time / fade)
    sound *= np.clip((RING - time) / 0.1, 0, 1)
    return sound / np.abs(sound).max()


def impacts(sound: Samples, times: NDArray[np.float64], levels: NDArray[np.float64], length: int) -> Samples:
    """The same impact at several times (seconds), with a peak level each: (length,)."""
    strokes = np.zeros(length)
    places = np.round(np.asarray(times) * SAMPLE_RATE).astype(int)
    inside = places < length
    np.add.at(strokes, places[inside], np.asarray(levels)[inside])
    return fftconvolve(strokes, sound)[:length]


def band_noise(rng: np.random.Generator, length: int, center: float, octaves: float) -> Samples:
    """Gaussian noise of deviation 1 in a band around `center` Hz; its density falls to 1/e within `octaves`."""
    frequencies = np.fft.rfftfreq(length, 1 / SAMPLE_RATE)
    distance = np.log2(np.maximum(frequencies, 1.0) / center) / octaves
    spectrum = np.fft.rfft(rng.standard_normal(length)) * np.exp(-0.5 * distance**2)
    noise = np.fft.irfft(spectrum, length)
    return noise / max(noise.std(), 1e-9)
