"""Babble of a formant synthesiser: syllables, four a second, whose pitch glides."""

import numpy as np
from scipy.signal import lfilter

from shared.toybox.sounds.impacts import SAMPLE_RATE

VOWELS = ((730, 1090, 2440), (530, 1840, 2480), (270, 2290, 3010), (570, 840, 2410), (300, 870, 2240))
"""Formants in Hz (Peterson and Barney 1952)."""


def voice(seed, seconds):
    """Samples of a peak of 1."""
    rng = np.random.default_rng([seed, 77])
    length = round(seconds * SAMPLE_RATE)
    source = glottis(rng, length)
    track = np.zeros(length)
    place = round(rng.uniform(0, 0.2) * SAMPLE_RATE)
    while place < length:
        consonant, vowel = (round(rng.uniform(*span) * SAMPLE_RATE) for span in ((0.03, 0.09), (0.09, 0.22)))
        hiss = rng.standard_normal(len(track[place : place + consonant]))
        track[place : place + consonant] += 0.05 * resonance(hiss, (rng.uniform(1500, 5000),), 900)
        place += consonant
        part = resonance(source[place : place + vowel], VOWELS[rng.integers(len(VOWELS))], 90)
        edges = np.minimum(np.arange(len(part)), np.arange(len(part))[::-1]) / (0.02 * SAMPLE_RATE)
        track[place : place + vowel] += np.minimum(edges, 1) * part / max(np.abs(part).max(initial=0), 1e-9)
        place += vowel + round((rng.random() < 0.12) * rng.uniform(0.15, 0.4) * SAMPLE_RATE)
    return track / np.abs(track).max()


def glottis(rng, length):
    """Pulses at a pitch that glides by a semitone or two every quarter of a second."""
    knots = np.arange(0, length / SAMPLE_RATE + 0.5, 0.25)
    glide = np.interp(np.arange(length) / SAMPLE_RATE, knots, rng.normal(0, 1.6, len(knots)))
    pitch = rng.uniform(95, 230) * 2 ** (glide / 12)
    pulses = np.diff(np.floor(np.cumsum(pitch) / SAMPLE_RATE), prepend=0.0)
    return lfilter([1], [1, -1.6, 0.64], pulses)


def resonance(samples, frequencies, width):
    """Samples through resonators at these frequencies, all as many Hz wide."""
    radius = np.exp(-np.pi * width / SAMPLE_RATE)
    for frequency in frequencies:
        angle = 2 * np.pi * frequency / SAMPLE_RATE
        samples = lfilter([1 - radius], [1, -2 * radius * np.cos(angle), radius**2], samples)
    return samples
