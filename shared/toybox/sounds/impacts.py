"""When something happens in a scene, and the sound of each impact by its material."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from shared.toybox.scenes.scene import Actor, Scene, actor_track

TRACK_RATE = 100.0
"""Places a second at which speeds are measured."""


@dataclass(frozen=True)
class Event:
    """An impact on screen.

    Attributes:
        seconds: when.
        actor: which of the scene's objects.
        speed: of the object as it hits, in halves of the picture's shorter side a second.
    """

    seconds: float
    actor: int
    speed: float


def scene_events(scene: Scene, seconds: float) -> tuple[Event, ...]:
    """Every landing of a bouncing object from the scene's beginning until `seconds`, in order of time."""
    events = []
    for index, actor in enumerate(scene.actors):
        if actor.motion == "bounce":
            speed = 4.0 * actor.travel / actor.period  # the slope of its parabola where it meets the ground
            landings = np.arange(np.ceil(actor.phase), seconds / actor.period + actor.phase)
            events += [Event(float((n - actor.phase) * actor.period), index, speed) for n in landings]
    return tuple(sorted(events, key=lambda event: event.seconds))


def motion_speed(actor: Actor, seconds: float) -> NDArray[np.float64]:
    """How fast an object moves, turns and grows together, `TRACK_RATE` times a second over a clip.

    Returns:
        (round(seconds * TRACK_RATE),), at least one, in halves of the picture's shorter side a second.
    """
    count = max(round(seconds * TRACK_RATE), 1) + 1
    track = actor_track(actor, np.linspace(0, 1, count), np.linspace(0, seconds, count))
    steps = [np.diff(track.x), np.diff(track.y), np.diff(track.size), track.size[1:] * np.diff(track.angle)]
    return np.sqrt(np.sum(np.square(steps), axis=0)) * (count - 1) / max(seconds, 1e-9)


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
