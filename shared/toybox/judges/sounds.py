"""Judges what is heard, by the samples alone: impacts, the material that rings, steps at joins, silence."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from shared.errors import InputError
from shared.toybox.sounds.impacts import SAMPLE_RATE, VOICES, impact
from shared.toybox.sounds.sound import SoundFacts, toy_sound

Samples = NDArray[np.floating]
Array = NDArray[np.float64]

WINDOW, HOP = 0.016, 0.004
"""Seconds of a short spectrum and between two of them."""

ONSET_BANDS = (60.0, 500.0, 1500.0, 3500.0, 8000.0)
MATERIAL_BANDS = (60, 200, 350, 550, 800, 1150, 1600, 2200, 3000, 4000, 5500, 8000)
"""Hz."""

LAG = 3
"""Short spectra in which an impact rises."""

DELAY = 0.7
"""Short spectra by which the steepest rise follows the impact."""

LEAST_RISE = 1.0
"""Natural logarithm of the ratio of a band's amplitude to its largest in the 60 ms before the rise."""

LEAST_SHARPNESS = 0.6
"""Share of its peak in the next 60 ms that a struck sound has reached after 16 ms; one that swells has not."""

LEAST_LEVEL = 0.03
"""Amplitude, relative to the clip's loudest, below which nothing counts as an impact."""

FLOOR = 0.01
"""Amplitude, relative to the clip's loudest, below which a band counts as quiet."""

GAP = 0.06
"""Seconds within which two rises are one impact."""

TOLERANCE = 0.06
"""Seconds by which an impact may miss its event."""

SILENCE = -60.0
"""dB of full scale below which a stretch is silent."""

SLICES = (0.0, 0.016, 0.04, 0.09, 0.18, 0.35)
"""Seconds after an onset between which the spectrum of a material is compared."""

DEPTH = 35.0
"""dB below its loudest part down to which a sound is compared with a material's."""

SIZES = (0.24, 0.28, 0.32, 0.36, 0.4, 0.44, 0.48)
"""Radii of the objects whose sounds a sound is compared with."""


def find_onsets(waveform: Samples, sample_rate: int = SAMPLE_RATE) -> Array:
    """Seconds at which something is struck: a band rises steeply, and is at once as loud as it gets.

    What is there from the beginning was not heard to begin: nothing is found in the first 70 ms.

    Args:
        waveform: (N,) samples.
        sample_rate: of them, 16 kHz or more.

    Raises:
        InputError: samples of another shape, or that are not finite.
    """
    bands = _band_amplitudes(_checked(waveform), sample_rate, ONSET_BANDS)  # (T, B)
    loudest = bands.max(initial=0.0)
    if loudest < 1e-5 or len(bands) <= LAG:
        return np.empty(0)
    level = np.log(bands + FLOOR * loudest)
    before = round(0.06 / HOP)
    past = np.pad(level[:-LAG], ((LAG + before, 0), (0, 0)), mode="edge")
    rise = level - _max_ahead(past, before)[: len(level)]
    soon, later = _max_ahead(bands, round(0.016 / HOP)), _max_ahead(bands, round(0.06 / HOP))
    struck = (soon >= LEAST_SHARPNESS * later) & (soon >= LEAST_LEVEL * loudest)
    strength = np.where(struck, rise, 0.0).max(axis=1)
    # Nothing is known of what was before a clip, and its end is a step of its own.
    strength[: LAG + before] = strength[-round(WINDOW / HOP / 2) :] = 0.0
    peaks = strength == _max_around(strength, round(GAP / HOP))
    places = np.flatnonzero(peaks & (strength >= LEAST_RISE)).astype(np.float64)
    return (places - DELAY) * HOP


@dataclass(frozen=True)
class OnsetMatch:
    """Onsets compared with what they should be.

    Attributes:
        shifts: seconds from each matched event to its onset.
        missed: events without an onset.
        false: onsets without an event.
    """

    shifts: tuple[float, ...]
    missed: int
    false: int

    @property
    def recall(self) -> float:
        """Share of the events that have an onset; 1 where there are none."""
        return (
            len(self.shifts) / max(len(self.shifts) + self.missed, 1) if self.shifts or self.missed else 1.0
        )

    @property
    def false_share(self) -> float:
        """Share of the onsets that have no event; 0 where there are none."""
        return self.false / max(len(self.shifts) + self.false, 1)


def match_onsets(found: Sequence[float], wanted: Sequence[float], tolerance: float = TOLERANCE) -> OnsetMatch:
    """Pair onsets with events, the nearest first, each once and within `tolerance` seconds."""
    shift = np.subtract.outer(np.asarray(found, float), np.asarray(wanted, float))
    distance, shifts = np.abs(shift), []
    while distance.size and distance.min() <= tolerance:
        onset, event = np.unravel_index(distance.argmin(), distance.shape)
        shifts.append(float(shift[onset, event]))
        distance[onset], distance[:, event] = np.inf, np.inf
    return OnsetMatch(tuple(shifts), len(wanted) - len(shifts), len(found) - len(shifts))


def judge_material(waveform: Samples, sample_rate: int = SAMPLE_RATE) -> str | None:
    """The material whose impacts are nearest to those that are heard.

    Returns:
        A word of `vocabulary.MATERIALS`; None for a plain object, or where nothing is struck.
    """
    onsets = find_onsets(waveform, sample_rate)
    if not len(onsets):
        return None
    heard = np.median([_portrait(waveform, sample_rate, onset) for onset in onsets], axis=0)
    misfits = {name: min(np.abs(heard - one).mean() for one in _portraits(name)) for name in VOICES}
    return min(misfits, key=misfits.__getitem__)


def score_sound(waveform: Samples, facts: SoundFacts, sample_rate: int = SAMPLE_RATE) -> dict[str, float]:
    """What holds of a sound: shares of events heard and of onsets that are true, and whether the material is."""
    match = match_onsets(list(find_onsets(waveform, sample_rate)), facts.events)
    scores = {"events heard": match.recall, "onsets true": 1.0 - match.false_share}
    if facts.events:
        scores["material"] = float(judge_material(waveform, sample_rate) == facts.material)
    return scores


@dataclass(frozen=True)
class Steps:
    """How much a sound changes at some moments: dB of level, and mean dB over bands of the spectrum; each (N,)."""

    level: Array
    spectrum: Array


def steps_at(
    waveform: Samples, times: Sequence[float], sample_rate: int = SAMPLE_RATE, span: float = 0.1
) -> Steps:
    """Steps from the `span` seconds before each time to those after it; times nearer to an end are moved in."""
    bands = _band_amplitudes(_checked(waveform), sample_rate, MATERIAL_BANDS) ** 2
    width = max(round(span / HOP), 1)
    total = np.concatenate([np.zeros((1, bands.shape[1])), np.cumsum(bands, axis=0)])
    if len(bands) < 2 * width:
        raise InputError(f"{len(waveform) / sample_rate:.2f} s have no two stretches of {span} s to compare")
    places = np.clip(np.round(np.asarray(times, float) / HOP).astype(int), width, len(bands) - width)
    quiet = 10 ** (SILENCE / 10)
    before, after = (
        10 * np.log10((total[end] - total[start]) / width + quiet / bands.shape[1])
        for start, end in ((places - width, places), (places, places + width))
    )
    level = np.abs(_sum_db(after) - _sum_db(before))
    return Steps(level, np.abs(after - before).mean(axis=1))


def join_ratio(
    waveform: Samples, joins: Sequence[float], sample_rate: int = SAMPLE_RATE, span: float = 0.1
) -> tuple[float, float]:
    """Mean level and mean spectrum step at the joins, each over its mean elsewhere (1: cannot be told)."""
    seconds = len(waveform) / sample_rate
    grid = np.arange(span, seconds - span, span)
    far = [time for time in grid if all(abs(time - join) >= span for join in joins)]
    here, there = (steps_at(waveform, times, sample_rate, span) for times in (joins, far))
    return (
        float(here.level.mean() / max(there.level.mean(), 1e-6)),
        float(here.spectrum.mean() / max(there.spectrum.mean(), 1e-6)),
    )


def silence_share(waveform: Samples, sample_rate: int = SAMPLE_RATE, threshold: float = SILENCE) -> float:
    """Share of stretches of 20 ms whose level is below `threshold` dB of full scale; 1 for no samples."""
    size = round(0.02 * sample_rate)
    whole = _checked(waveform)[: len(waveform) // size * size].reshape(-1, size)
    level = 10 * np.log10(np.square(whole, dtype=np.float64).mean(axis=1) + 1e-20)
    return float((level < threshold).mean()) if len(level) else 1.0


def validate_sounds(count: int, seed: int = 0, noise: float = 0.0) -> dict[str, float]:
    """How often the judges are right on `count` rendered clips, 0 to 1.

    Args:
        count: number of clips, from both splits by turns, with and without music.
        seed: which clips.
        noise: root mean square of white noise added before judging.

    Returns:
        Shares of events heard, of onsets that are true, and of clips with impacts whose material is heard.
    """
    rng = np.random.default_rng(seed)
    events = heard = onsets = true = 0
    materials = []
    for index in range(count):
        clip = toy_sound(seed + index, ("train", "heldout")[index % 2])
        waveform = clip.waveform + noise * rng.standard_normal(len(clip.waveform))
        match = match_onsets(list(find_onsets(waveform)), clip.facts.events)
        events, heard = events + len(clip.facts.events), heard + len(match.shifts)
        onsets, true = onsets + len(match.shifts) + match.false, true + len(match.shifts)
        if clip.facts.events:
            materials.append(judge_material(waveform) == clip.facts.material)
    return {
        "events heard": heard / max(events, 1),
        "onsets true": true / max(onsets, 1),
        "material": float(np.mean(materials)),
    }


def _checked(waveform: Samples) -> Samples:
    if waveform.ndim != 1 or not np.isfinite(waveform).all():
        raise InputError(f"cannot judge samples of shape {waveform.shape}: need (N,), all of them finite")
    return waveform


def _band_amplitudes(waveform: Samples, sample_rate: int, edges: Sequence[float]) -> Array:
    """Amplitude (1 for a sine of full scale) of each band in each short spectrum, centred at its time: (T, B)."""
    size, hop = round(WINDOW * sample_rate), round(HOP * sample_rate)
    if len(waveform) < size:
        return np.zeros((0, len(edges) - 1))
    padded = np.pad(np.asarray(waveform, np.float64), size // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    window = np.hanning(size + 1)[:-1]
    power = np.square(np.abs(np.fft.rfft(frames * window, axis=1)) * 2 / window.sum())
    places = np.searchsorted(np.fft.rfftfreq(size, 1 / sample_rate), edges)
    sums = np.concatenate([np.zeros((len(power), 1)), np.cumsum(power, axis=1)], axis=1)
    return np.sqrt(np.maximum(sums[:, places[1:]] - sums[:, places[:-1]], 0) / 1.5)  # Hann widens a sine


def _max_ahead(values: Array, count: int) -> Array:
    """The largest of each value and the `count` after it, along the first axis."""
    padded = np.pad(values, ((0, count), (0, 0)), mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, count + 1, axis=0).max(axis=-1)


def _max_around(values: Array, count: int) -> Array:
    """The largest of each value and the `count` on either side: (T,)."""
    padded = np.pad(values, count)
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * count + 1).max(axis=-1)


def _sum_db(levels: Array) -> Array:
    return 10 * np.log10(np.sum(10 ** (levels / 10), axis=1))


def _portrait(waveform: Samples, sample_rate: int, onset: float) -> Array:
    """Levels of bands in slices after an onset, less what was heard before it, in dB below the loudest."""
    start, stop = round((onset - 0.06) * sample_rate), round((onset + SLICES[-1]) * sample_rate)
    part = np.asarray(waveform[max(start, 0) : stop])
    part = np.pad(part, (max(-start, 0), max(stop - max(start, 0) - len(part), 0)))
    power = np.square(_band_amplitudes(part, sample_rate, MATERIAL_BANDS))
    before = power[: round(0.05 / HOP)].mean(axis=0)
    edges = [round((0.06 + edge) / HOP) for edge in SLICES]
    slices = [power[a:b].mean(axis=0) - before for a, b in pairwise(edges)]
    levels = 10 * np.log10(np.maximum(slices, 1e-12))
    return np.maximum(levels - levels.max(), -DEPTH)


@cache
def _portraits(material: str | None) -> tuple[Array, ...]:
    """What a material's impacts look like, at every size."""
    quiet = np.zeros(round(0.1 * SAMPLE_RATE))
    return tuple(
        _portrait(np.concatenate([quiet, impact(material, size)]), SAMPLE_RATE, 0.1) for size in SIZES
    )
