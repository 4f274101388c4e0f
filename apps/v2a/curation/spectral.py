"""Speech, music and other sounds told apart by what they do in a spectrogram, without a model.

A tone of music stays: at its frequency, as loud as it was. What is struck rings and fades, noise flickers, and the
pitch of a voice glides from syllable to syllable (features of this kind: Scheirer and Slaney 1997). So tones that stay
are music; of what is left, stretches that are periodic with a pitch that moves are a voice, and the rest is sound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import librosa
import numpy as np
from scipy.ndimage import maximum_filter1d, minimum_filter1d, uniform_filter1d

from apps.v2a.curation.activity import Activity, Tag, runs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.floating]
    Mask = NDArray[np.bool_]

SAMPLE_RATE = 16_000
WINDOW, HOP = 1024, 256
FRAME_RATE = SAMPLE_RATE / HOP

SILENT, FAINT, TONE = -60.0, -55.0, -70.0
"""dB of full scale below which nothing is heard, no sound beside the music, and no single tone."""

STAYS, STEADY = 0.2, 2.2
"""Seconds in which a tone that stays varies by less than so many dB; a metal bar's falls by three."""

RINGS = 8.0
"""The same for what rings, however fast: no voice."""

MAIN_LOBE = 2
"""Bins to either side over which a Hann window spreads a tone."""

AROUND = 8
"""Bins to either side from which a hole in noise is filled."""

SWELL = 0.3
"""Seconds around a tone that stays in which it comes and goes."""

HUM = 0.9
"""Share of a clip through which a tone sounds that is a machine's, unless others come and go beside it."""

MELODY = 0.1
"""Share of a clip in which those others have to be heard."""

MASKED = 25.0
"""dB by which music may be louder than a sound that is still heard beside it."""

BEAT = (0.18, 0.62)
"""Seconds from one beat to the next."""

REGULAR, BEATS, ATTACK = 0.6, 2.0, 2.0
"""Drums belong to the music: autocorrelation at the beat, onsets a second, and mean dB by which one rises."""

PITCH, VOICE = (75.0, 400.0), (80.0, 4000.0)
"""Hz: how low and high people speak, and where a voice's harmonics are looked for."""

PERIODIC = 0.5
"""Autocorrelation at the period of the pitch; 1 is perfectly periodic."""

LEAP, GLIDE, MOVES = 1.0, 0.3, 0.055
"""Semitones that a voice moves by from frame to frame at most, within a vowel at least, and in half the frames."""

VOWEL = (0.08, 1.5)
"""Seconds of the shortest vowel, and of the longest stretch without a consonant or a pause."""

CONSONANT = 0.15
"""Seconds around a vowel in which somebody speaks, too."""

BESIDE, FADES = 20.0, 6.0
"""dB below the loudest nearby down to which a voice is heard, and from one half of a vowel to the other: struck things
fade by more."""


class SpectralDetector:
    """The detector for whom there is no model; see `Detector`."""

    sample_rate = SAMPLE_RATE
    identity = "spectral-1"

    def __call__(self, waveform: NDArray[np.float32]) -> Activity:
        """See `Detector`."""
        power = spectrogram(waveform)
        tones = staying(power)
        near = spread(tones, frames(SWELL), axis=1)
        rest = np.where(near, 0.0, power)
        music, left = (decibels(part.sum(axis=0)) for part in (np.where(tones, power, 0.0), rest))
        beside = (left > FAINT) & (left > music - MASKED)
        vowels = gliding(filled(rest, near | tones_within(power, RINGS)), left, beside)
        speech = spread(vowels, frames(CONSONANT), axis=0) & beside
        tags: dict[Tag, Mask] = {"speech": speech, "music": near.max(axis=0), "sound": beside & ~speech}
        if tags["music"].any() and drummed(rest):
            tags["music"], tags["sound"] = tags["music"] | tags["sound"], np.zeros_like(speech)
        heard = decibels(power.sum(axis=0)) > SILENT
        return Activity(FRAME_RATE, {tag: mask & heard for tag, mask in tags.items()})


def spectrogram(waveform: NDArray[np.float32]) -> Array:
    """Power (F, T); the sum over a frame is its mean square."""
    padded = np.pad(waveform, (0, max(WINDOW - len(waveform), 0)))
    magnitude = np.abs(librosa.stft(padded, n_fft=WINDOW, hop_length=HOP))
    return magnitude**2 * (2 / (WINDOW * np.square(_hann()).sum()))


def decibels(power: Array) -> Array:
    """Of full scale."""
    return 10 * np.log10(power + 1e-12)


def frames(seconds: float) -> int:
    """How many last so long."""
    return round(seconds * FRAME_RATE)


def spread(mask: Mask, count: int, axis: int) -> Mask:
    """A mask that also holds up to `count` places to either side."""
    return maximum_filter1d(mask, 2 * count + 1, axis=axis)


def staying(power: Array) -> Mask:
    """Where in a spectrogram (F, T) tones stay; (F, T), false throughout where they are only a machine's hum."""
    tones = tones_within(power, STEADY)
    hums = spread(tones.mean(axis=1) > HUM, MAIN_LOBE, axis=0)
    if tones[~hums].any(axis=0).mean() < MELODY:
        return np.zeros_like(tones)
    return tones


def tones_within(power: Array, change: float) -> Mask:
    """Where in a spectrogram (F, T) peaks keep their frequency and vary by less than `change` dB; (F, T)."""
    level = decibels(power)
    width = frames(STAYS)
    steady = maximum_filter1d(level, width, axis=1) - minimum_filter1d(level, width, axis=1) < change
    peaks = power >= maximum_filter1d(power, 2 * MAIN_LOBE + 1, axis=0)
    return spread(steady & spread(peaks, 1, axis=0) & (level > TONE), MAIN_LOBE, axis=0)


def filled(power: Array, holes: Mask) -> Array:
    """A spectrogram (F, T) with the mean of what is around each hole in it: gaps in noise would sound like a tone."""
    level = uniform_filter1d(np.where(holes, 0.0, power), 2 * AROUND + 1, axis=0)
    known = uniform_filter1d((~holes).astype(power.dtype), 2 * AROUND + 1, axis=0)
    return np.where(holes, level / np.maximum(known, 1e-6), power)


def drummed(power: Array) -> bool:
    """Whether a spectrogram (F, T) has many onsets in a regular beat."""
    rises = librosa.onset.onset_strength(S=np.maximum(decibels(power), -80.0), sr=SAMPLE_RATE, hop_length=HOP)
    onsets = (rises == maximum_filter1d(rises, 9)) & (rises > ATTACK)
    centred = rises - rises.mean()
    likeness = np.correlate(centred, centred, "full")[len(centred) - 1 :]
    first, last = (frames(seconds) for seconds in BEAT)
    beat = likeness[first:last].max(initial=0.0) / max(likeness[0], 1e-9)
    return bool(beat > REGULAR and onsets.sum() * FRAME_RATE > BEATS * len(rises))


def gliding(power: Array, level: Array, audible: Mask) -> Mask:
    """Frames of a spectrogram (F, T) that are part of a vowel.

    Args:
        power: without the music.
        level: of each frame in dB, (T,).
        audible: frames to look at.
    """
    periodicity, pitch = pitch_track(power)
    step = np.abs(np.diff(pitch, prepend=pitch[:1]))
    loud = level > maximum_filter1d(level, frames(1.0)) - BESIDE
    shortest, longest = (frames(seconds) for seconds in VOWEL)
    found = np.zeros_like(audible)
    for start, stop in runs(audible & loud & (periodicity > PERIODIC) & (step < LEAP)):
        middle = (start + stop) // 2
        if (
            shortest <= stop - start <= longest
            and np.ptp(pitch[start:stop]) >= GLIDE
            and np.median(step[start + 1 : stop]) >= MOVES
            and level[start:middle].mean() - level[middle:stop].mean() < FADES
        ):
            found[start:stop] = True
    return found


def pitch_track(power: Array) -> tuple[Array, Array]:
    """How periodic each frame of a spectrogram (F, T) is, and its pitch in semitones; (T,) each."""
    low, high = (round(edge * WINDOW / SAMPLE_RATE) for edge in VOICE)
    voice = np.zeros_like(power)
    voice[low:high] = power[low:high]
    shortest, longest = (round(SAMPLE_RATE / pitch) for pitch in reversed(PITCH))
    lags = np.arange(longest + 2)
    window = _hann()
    taper = np.array([window[lag:] @ window[: WINDOW - lag] for lag in lags])
    likeness = np.fft.irfft(voice, axis=0)[lags] * (taper[0] / taper)[:, None]
    likeness /= np.maximum(likeness[0], 1e-12)
    peak = likeness[shortest : longest + 1].argmax(axis=0) + shortest
    before, here, after = (likeness[peak + step, np.arange(len(peak))] for step in (-1, 0, 1))
    bend = np.minimum(before - 2 * here + after, -1e-9)  # a parabola through the peak and its neighbours
    period = peak + np.clip((before - after) / (2 * bend), -0.5, 0.5)
    return here, 12 * np.log2(SAMPLE_RATE / period)


def _hann() -> Array:
    return librosa.filters.get_window("hann", WINDOW)
