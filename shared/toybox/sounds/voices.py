"""Voices: syllables of a formant synthesiser, with the mouth that belongs to them.

A source of glottal pulses passes three resonators per vowel (cascade formant synthesis, as in Klatt 1980, "Software
for a cascade/parallel formant synthesizer"); consonants close the lips, hum through the nose, hiss, or burst. The mouth
opens and closes with the syllables, so that a clip of a puppet that speaks has one true track for any frame rate.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from shared.errors import InputError
from shared.toybox.puppets.tracks import Array, ExpressionTrack, Tracks
from shared.toybox.scenes.sampling import Split, pick
from shared.toybox.sounds.impacts import SAMPLE_RATE, Samples, band_noise
from shared.toybox.sounds.music import play, sample_music

Background = Literal["none", "noise", "music"]

LEVEL = 0.09
"""Root mean square of speech while it lasts."""

ROOM = 2e-4
"""Root mean square of the room in which nobody speaks."""

PITCHES, TRACTS, RATES = (95.0, 260.0), (0.86, 1.2), (2.0, 3.0)
"""Hz of the voice, factor on the formants, and syllables per second of a train voice."""

PHRASES, PAUSES = (1.0, 2.6), (0.5, 1.1)
"""Seconds of a phrase and of the silence after it."""

BANDWIDTHS = (80.0, 110.0, 160.0)
"""Hz of the three resonators."""

OPENING, CLOSING = 0.35, 0.4
"""Share of a syllable in which the mouth opens, and in which it closes."""


@dataclass(frozen=True)
class Vowel:
    """How a vowel sounds and looks.

    Attributes:
        formants: three frequencies in Hz of an average voice.
        opening: of the mouth, 0 to 1.
        width: of the mouth, 0 (narrow and round) to 1 (wide).
    """

    formants: tuple[float, float, float]
    opening: float
    width: float


VOWELS: dict[str, Vowel] = {
    "a": Vowel((800, 1250, 2550), 1.0, 0.6),
    "e": Vowel((520, 1850, 2500), 0.6, 0.85),
    "i": Vowel((290, 2250, 3000), 0.35, 1.0),
    "o": Vowel((480, 880, 2450), 0.75, 0.15),
    "u": Vowel((320, 760, 2300), 0.4, 0.0),
}

CONSONANTS: dict[str, tuple[str, float]] = {
    "m": ("hum", 250.0),
    "n": ("hum", 350.0),
    "b": ("burst", 700.0),
    "t": ("burst", 3500.0),
    "s": ("hiss", 5500.0),
    "f": ("hiss", 3800.0),
}
"""Kind of noise at the beginning of a syllable, and its centre in Hz."""


@dataclass(frozen=True)
class Speaker:
    """One voice.

    Attributes:
        pitch: mean frequency of the glottal pulses in Hz.
        tract: factor on the formants; small bodies have higher ones.
        breath: share of noise in the source, 0 to 0.2.
        rate: syllables per second.
    """

    pitch: float
    tract: float
    breath: float
    rate: float


@dataclass(frozen=True)
class Syllable:
    """A consonant and a vowel.

    Attributes:
        start: in seconds.
        seconds: duration.
        consonant: key of `CONSONANTS`.
        vowel: key of `VOWELS`.
        stress: loudness and opening, 0.7 to 1.
    """

    start: float
    seconds: float
    consonant: str
    vowel: str
    stress: float


@dataclass(frozen=True, eq=False)
class Speech:
    """What one speaker says.

    Attributes:
        speaker: who speaks.
        syllables: in order, without overlap.
        seconds: duration, silences included.
        seed: of the noise in the sound.
        background: what is heard behind the voice.
        background_db: level of the background against the voice, in dB.
    """

    speaker: Speaker
    syllables: tuple[Syllable, ...]
    seconds: float
    seed: int
    background: Background = "none"
    background_db: float = -20.0

    @cached_property
    def voice(self) -> NDArray[np.float32]:
        """The voice alone, (N,) float32 in [-1, 1] at `SAMPLE_RATE`."""
        rng = np.random.default_rng([self.seed, 1])
        track = np.zeros(round(self.seconds * SAMPLE_RATE))
        for syllable in self.syllables:
            sound = _syllable_sound(self.speaker, syllable, rng)
            first = round(syllable.start * SAMPLE_RATE)
            place = track[first : first + len(sound)]
            place += sound[: len(place)]
        return np.clip(track, -1, 1).astype(np.float32)

    @cached_property
    def waveform(self) -> NDArray[np.float32]:
        """The voice over its background, (N,) float32 in [-1, 1] at `SAMPLE_RATE`."""
        rng = np.random.default_rng([self.seed, 2])
        length = len(self.voice)
        track = self.voice + ROOM * rng.standard_normal(length)
        level = LEVEL * 10 ** (self.background_db / 20)
        if self.background == "noise":
            track += level * band_noise(rng, length, 600.0, 1.5)
        elif self.background == "music":
            track += level * play(sample_music(rng), length)
        return np.clip(track, -1, 1).astype(np.float32)

    def mouth(self, times: NDArray[np.floating]) -> tuple[Array, Array]:
        """Opening and width of the mouth at given times.

        Args:
            times: (F,) seconds.

        Returns:
            (F,) opening, 0 (closed) to 1, and (F,) width, 0 (round) to 1 (wide); a closed mouth has width 0.6.
        """
        opening, width = np.zeros(len(times)), np.full(len(times), 0.6)
        for syllable in self.syllables:
            vowel = VOWELS[syllable.vowel]
            gate = _opening((np.asarray(times) - syllable.start) / syllable.seconds)
            opening += syllable.stress * vowel.opening * gate
            width += (vowel.width - 0.6) * gate
        return opening.astype(np.float32), width.astype(np.float32)

    def spoken(self, times: NDArray[np.floating]) -> NDArray[np.bool_]:
        """(F,) whether a syllable lasts at given times (F,) in seconds."""
        within = [(times >= one.start) & (times < one.start + one.seconds) for one in self.syllables]
        return np.any(within, axis=0) if within else np.zeros(len(times), bool)


def sample_speaker(rng: np.random.Generator, split: Split = "train") -> Speaker:
    """A random voice; `heldout` voices lie between those of `train`, which never has a pitch of 150 to 170 Hz."""
    while True:
        pitch = float(np.exp(rng.uniform(*np.log(PITCHES))))
        if (150 <= pitch <= 170) == (split == "heldout"):
            break
    return Speaker(
        pitch, float(rng.uniform(*TRACTS)), float(rng.uniform(0.02, 0.15)), float(rng.uniform(*RATES))
    )


def sample_speech(
    rng: np.random.Generator,
    seconds: float,
    speaker: Speaker,
    background: Background = "none",
    *,
    pauses: bool = True,
) -> Speech:
    """Random syllables in phrases, with silences in between.

    Args:
        rng: source of all choices.
        seconds: duration, above 0.
        speaker: who speaks.
        background: what is heard behind the voice.
        pauses: whether there are silences between phrases.

    Raises:
        InputError: a duration that is not above 0, or not finite.
    """
    if not 0 < seconds < np.inf:
        raise InputError(f"speech of {seconds} seconds: a finite duration above 0 expected")
    syllables, now = [], float(rng.uniform(0.05, 0.3))
    end_of_phrase = now + rng.uniform(*PHRASES)
    while True:
        length = float(rng.uniform(0.8, 1.2) / speaker.rate)
        if now + length > seconds - 0.05:
            break
        consonant, vowel = pick(rng, list(CONSONANTS)), pick(rng, list(VOWELS))
        syllables.append(Syllable(now, length, consonant, vowel, float(rng.uniform(0.7, 1.0))))
        now += length
        if pauses and now > end_of_phrase:
            now += float(rng.uniform(*PAUSES))
            end_of_phrase = now + rng.uniform(*PHRASES)
    level = float(rng.uniform(-26.0, -14.0))
    return Speech(speaker, tuple(syllables), seconds, int(rng.integers(2**31)), background, level)


def toy_speech(seed: int, split: Split = "train", seconds: float = 4.0) -> Speech:
    """The speech that belongs to (seed, split, seconds): half of it over noise or music.

    Raises:
        InputError: a negative seed, or a duration that is not above 0.
    """
    if seed < 0:
        raise InputError(f"no speech for seed {seed}: a seed of 0 or more expected")
    rng = np.random.default_rng([seed, split == "heldout", 31])
    speaker = sample_speaker(rng, split)
    background: Background = pick(rng, ("none", "none", "noise", "music"))
    return sample_speech(rng, seconds, speaker, background)


def speaking(tracks: Tracks, speech: Speech, fps: float) -> Tracks:
    """A puppet's tracks with the mouth of a speech.

    Args:
        tracks: of any number of frames.
        speech: what is said, from the first frame on; afterwards the mouth is closed.
        fps: frames per second.
    """
    opening, width = speech.mouth(np.arange(len(tracks)) / fps)
    expression: ExpressionTrack = replace(tracks.expression, mouth_open=opening, mouth_width=width)
    return replace(tracks, expression=expression)


def _opening(progress: NDArray[np.floating]) -> NDArray[np.floating]:
    """How far the mouth is open, 0 to 1, at a progress 0 to 1 of a syllable; 0 outside."""
    rise, fall = np.clip(progress / OPENING, 0, 1), np.clip((1 - progress) / CLOSING, 0, 1)
    return np.sin(np.pi / 2 * np.minimum(rise, fall)) ** 2


def _syllable_sound(speaker: Speaker, syllable: Syllable, rng: np.random.Generator) -> Samples:
    """One syllable: the consonant while the mouth is nearly closed, then the vowel as loud as the mouth is open."""
    length = round(syllable.seconds * SAMPLE_RATE)
    progress = np.arange(length) / length
    source = _glottal_pulses(speaker, length, rng) + speaker.breath * rng.standard_normal(length)
    vowel = source
    for frequency, bandwidth in zip(VOWELS[syllable.vowel].formants, BANDWIDTHS, strict=True):
        vowel = _resonate(vowel, frequency * speaker.tract, bandwidth)
    opening = _opening(progress)
    vowel *= opening / max(float(np.sqrt(np.mean((vowel * opening) ** 2))), 1e-9)
    return LEVEL * syllable.stress * (vowel + _consonant(syllable.consonant, source, progress, rng))


def _consonant(
    name: str, source: Samples, progress: NDArray[np.floating], rng: np.random.Generator
) -> Samples:
    kind, center = CONSONANTS[name]
    if kind == "hum":
        sound, level, lasts = _resonate(source, center, 60.0), 0.5, 0.25
    else:
        sound, level = band_noise(rng, len(source), center, 0.5), 0.5 if kind == "hiss" else 0.9
        lasts = 0.22 if kind == "hiss" else 0.06
    gate = np.sin(np.pi * np.clip(progress / lasts, 0, 1)) ** 2
    sound = sound * gate
    return level * sound / max(float(np.abs(sound).max()), 1e-9)


def _glottal_pulses(speaker: Speaker, length: int, rng: np.random.Generator) -> Samples:
    """Pulses whose pitch falls a little over the syllable, softened to the tilt of a voice."""
    pitch = speaker.pitch * rng.uniform(0.92, 1.08) * np.linspace(1.04, 0.94, length)
    turns = np.cumsum(pitch) / SAMPLE_RATE
    pulses = np.diff(np.floor(turns), prepend=0.0)
    return np.asarray(lfilter([1.0], [1.0, -0.9], pulses - pulses.mean()))


def _resonate(sound: Samples, frequency: float, bandwidth: float) -> Samples:
    """A resonator of two poles."""
    radius = np.exp(-np.pi * bandwidth / SAMPLE_RATE)
    turn = 2 * np.pi * min(frequency, 0.45 * SAMPLE_RATE) / SAMPLE_RATE
    return np.asarray(lfilter([1 - radius], [1, -2 * radius * np.cos(turn), radius**2], sound))
