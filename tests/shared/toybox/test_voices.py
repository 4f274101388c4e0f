import numpy as np
import pytest

from shared.errors import InputError
from shared.toybox.judges.puppets import judge_puppet
from shared.toybox.puppets.puppet import make_tracks, render_puppet, sample_puppet
from shared.toybox.sounds.impacts import SAMPLE_RATE
from shared.toybox.sounds.voices import Speaker, sample_speech, speaking, toy_speech

FPS = 25.0


def loudness(speech, times):
    """Root mean square of 40 ms around each time."""
    half = round(0.02 * SAMPLE_RATE)
    padded = np.pad(speech.voice, half)
    starts = np.round(times * SAMPLE_RATE).astype(int)
    return np.array([np.sqrt(np.mean(padded[start : start + 2 * half] ** 2)) for start in starts])


def test_a_speech_follows_from_its_seed():
    assert np.array_equal(toy_speech(3).waveform, toy_speech(3).waveform)
    assert not np.array_equal(toy_speech(3).waveform, toy_speech(4).waveform)


@pytest.mark.parametrize("seed", range(6))
def test_the_mouth_is_open_while_a_vowel_is_heard_and_closed_in_silence(seed):
    speech = toy_speech(seed, seconds=6.0)
    times = np.arange(round(6.0 * FPS)) / FPS
    opening, width = speech.mouth(times)
    assert opening.min() >= 0 and opening.max() <= 1 and width.min() >= 0 and width.max() <= 1
    silent = ~speech.spoken(times)
    assert silent.any() and opening[silent].max() == 0
    assert np.corrcoef(opening, loudness(speech, times))[0, 1] >= 0.6


def test_silence_is_quiet_and_speech_is_not():
    speech = toy_speech(1, seconds=8.0)
    times = np.arange(0, 8.0, 0.02)
    levels = loudness(speech, times)
    inner = ~speech.spoken(times) & ~speech.spoken(times + 0.04) & ~speech.spoken(times - 0.04)
    assert levels[inner].max() < 1e-3 < 0.02 < np.median(levels[speech.spoken(times)])
    assert np.abs(speech.waveform).max() < 1


def test_a_vowel_has_its_formants():
    rng = np.random.default_rng(0)
    for vowel, low, high in (("i", 200, 450), ("a", 600, 1000)):
        speech = sample_speech(rng, 3.0, Speaker(120.0, 1.0, 0.05, 2.0), pauses=False)
        one = next(s for s in (*speech.syllables, *_more(rng)) if s.vowel == vowel)
        alone = type(speech)(speech.speaker, (one,), one.start + one.seconds, 0)
        middle = alone.voice[round((one.start + 0.45 * one.seconds) * SAMPLE_RATE) :][:1600]
        spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
        strongest = np.fft.rfftfreq(len(middle), 1 / SAMPLE_RATE)[int(spectrum.argmax())]
        assert low <= strongest <= high, vowel


def _more(rng):
    return sample_speech(rng, 60.0, Speaker(120.0, 1.0, 0.05, 2.0), pauses=False).syllables


@pytest.mark.slow
def test_the_judged_mouth_of_a_rendered_puppet_follows_the_speech():
    correlations = []
    for seed in range(12):
        rng = np.random.default_rng([seed, 5])
        puppet, speech = sample_puppet(rng), toy_speech(seed, seconds=4.0)
        tracks = speaking(make_tracks(puppet, 33, 8.0), speech, 8.0)
        judged = judge_puppet(render_puppet(puppet, size=128, tracks=tracks).frames).mouth_opening
        correlations.append(np.corrcoef(judged, tracks.expression.mouth_open)[0, 1])
    assert np.mean(correlations) >= 0.98


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_a_duration_that_is_none_is_refused(seconds):
    with pytest.raises(InputError, match="seconds"):
        toy_speech(0, seconds=seconds)
