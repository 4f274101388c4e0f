"""Simple music: slow chords of an organ, or the melody of a flute, with attacks too soft to be taken for impacts.

Notes are whole multiples of a low tone (just intonation), so that chords are pure: 4 : 5 : 6 is a major triad,
10 : 12 : 15 a minor one.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from shared.toybox.scenes.sampling import pick
from shared.toybox.sounds.impacts import GRID, SAMPLE_RATE, Samples

Instrument = Literal["organ", "flute"]
Mode = Literal["major", "minor"]
Tempo = Literal["slow", "fast"]

INSTRUMENTS: tuple[Instrument, ...] = ("organ", "flute")
MODES: tuple[Mode, ...] = ("major", "minor")
TEMPOS: tuple[Tempo, ...] = ("slow", "fast")

BEATS: dict[Tempo, float] = {"slow": 1.2, "fast": 0.6}
"""Seconds of a chord; a melody has two notes to a chord."""

SWELL = 0.12
"""Seconds in which a note comes and goes."""

CHORDS: dict[Mode, tuple[tuple[int, ...], ...]] = {
    "major": ((4, 5, 6), (6, 8, 10), (8, 10, 12), (6, 9, 15)),
    "minor": ((5, 6, 10), (10, 12, 15), (6, 10, 15), (5, 10, 12)),
}
SCALES: dict[Mode, tuple[int, ...]] = {"major": (8, 9, 10, 12, 15, 16), "minor": (10, 12, 15, 20, 24)}
OVERTONES: dict[Instrument, tuple[float, ...]] = {
    "organ": (1.0, 0.5, 0.3, 0.2, 0.12, 0.08),
    "flute": (1.0, 0.2, 0.06),
}


@dataclass(frozen=True)
class Music:
    """What is played: words of the tables above, and which of its tunes."""

    instrument: Instrument
    mode: Mode
    tempo: Tempo
    tune: int = 0


def sample_music(rng: np.random.Generator) -> Music:
    """Any instrument, mode and tempo, evenly."""
    return Music(pick(rng, INSTRUMENTS), pick(rng, MODES), pick(rng, TEMPOS), int(rng.integers(1 << 16)))


def play(music: Music, length: int) -> Samples:
    """The music as `length` samples, with a root mean square of about 1."""
    rng = np.random.default_rng(music.tune)
    beat = BEATS[music.tempo] / (2 if music.instrument == "flute" else 1)
    track = np.zeros(length)
    for start in np.arange(0, length / SAMPLE_RATE, beat):
        first = round(start * SAMPLE_RATE)
        notes = (
            pick(rng, CHORDS[music.mode]) if music.instrument == "organ" else (pick(rng, SCALES[music.mode]),)
        )
        sound = np.sum(
            [_note(note * GRID, OVERTONES[music.instrument], beat + SWELL) for note in notes], axis=0
        )
        room = track[first : first + len(sound)]
        room += sound[: len(room)] / np.sqrt(len(notes) / 2)
    return track


def _note(frequency: float, overtones: tuple[float, ...], seconds: float) -> Samples:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    partials = np.arange(1, len(overtones) + 1)[:, None] * frequency
    swell = np.clip(np.minimum(time, seconds - time) / SWELL, 0, 1)
    return np.sin(np.pi / 2 * swell) ** 2 * (np.array(overtones) @ np.sin(2 * np.pi * partials * time))
