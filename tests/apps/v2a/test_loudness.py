"""Loudness by ITU-R BS.1770, and sounds brought to it."""

import math

import numpy as np
import pytest

from apps.v2a.loudness import PEAK, at_loudness, loudness, mixed
from shared.media.sound import Sound

RATE = 48_000


def tone(level_db, seconds=3.0, rate=RATE, channels=1):
    time = np.arange(round(seconds * rate)) / rate
    wave = 10 ** (level_db / 20) * np.sin(2 * np.pi * 997 * time)
    return np.tile(wave, (channels, 1)).astype(np.float32)


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_the_standards_own_tone_measures_what_the_standard_says(rate):
    assert loudness(tone(0, rate=rate), rate) == pytest.approx(-3.01, abs=0.05)
    assert loudness(tone(-20, rate=rate, channels=2), rate) == pytest.approx(-20, abs=0.05)


def test_short_sounds_are_measured_and_silence_is_minus_infinity():
    assert loudness(tone(-10, seconds=0.1), RATE) == pytest.approx(-13, abs=0.3)
    assert loudness(np.zeros((1, 999), np.float32), RATE) == -math.inf
    assert not at_loudness(np.zeros((1, 999), np.float32), RATE, -16).any()


@pytest.mark.parametrize("target", [-30.0, -16.0])
def test_a_sound_of_few_loud_moments_reaches_its_loudness_without_clipping(target):
    wave = np.zeros((1, 4 * 16_000), np.float32)
    decay = np.exp(-np.arange(2000) / 300) * np.sin(np.arange(2000) * 0.5)
    for start in range(4000, 60_000, 16_000):
        wave[0, start : start + 2000] += 0.5 * decay.astype(np.float32)
    made = at_loudness(wave, 16_000, target)
    assert loudness(made, 16_000) == pytest.approx(target, abs=0.3)
    assert np.abs(made).max() <= PEAK + 1e-4


def test_a_mixture_has_both_sounds_the_old_ones_rate_and_the_new_ones_length():
    old = Sound(tone(-20, channels=2, seconds=1.0), RATE)
    new = Sound(np.random.default_rng(0).normal(0, 0.1, (1, 32_000)).astype(np.float32), 16_000)
    both = mixed(old, new, -16)
    assert both.waveform.shape == (2, 2 * RATE)
    assert loudness(both.waveform, RATE) == pytest.approx(-16, abs=0.3)
    spectrum = np.abs(np.fft.rfft(both.waveform[0, :RATE]))
    assert spectrum[997] > 10 * np.median(spectrum[:8000])
    assert np.abs(both.waveform[0, RATE + 100 :]).mean() > 0.01
