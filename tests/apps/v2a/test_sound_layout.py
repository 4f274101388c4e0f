"""Lengths and rates: whatever the picture's rhythm, its sound is as long as it."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.v2a.model.layout import AudioLayout, sample_times, shown_at
from shared.errors import ConfigError

LAYOUT = AudioLayout()
RATES = [8, 12, 15, 16, Fraction(24000, 1001), 24, 25, Fraction(30000, 1001), 30, 60]


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("frames", [1, 2, 17, 97, 960])
def test_a_sound_lasts_as_long_as_its_picture_within_one_sample(fps, frames):
    seconds = frames / float(fps)
    samples = LAYOUT.samples(seconds)
    assert abs(samples / LAYOUT.sample_rate - seconds) <= 0.5 / LAYOUT.sample_rate + 1e-9
    covered = LAYOUT.tokens(seconds) * LAYOUT.samples_per_token
    assert samples <= covered < samples + LAYOUT.samples_per_token


@given(st.integers(1, 5000), st.integers(2, 300), st.data())
def test_windows_cover_every_token_and_overlap_enough(tokens, window, data):
    overlap = data.draw(st.integers(1, window // 2))
    windows = AudioLayout(window=window, overlap=overlap).windows(tokens)
    assert windows[0].start == 0
    assert windows[-1].stop == tokens
    assert {w.stop - w.start for w in windows} == {min(window, tokens)}
    for before, after in pairwise(windows):
        assert before.start < after.start
        assert before.stop - after.start >= overlap


@pytest.mark.parametrize("fps", RATES)
def test_an_encoder_sees_what_is_on_the_screen_at_each_moment(fps):
    times = np.arange(100) / float(fps)
    asked = sample_times(100 / float(fps), 25.0)
    shown = shown_at(times, asked)
    assert (times[shown] <= asked + 1e-3).all()
    assert (asked - times[shown] < 1 / float(fps) + 1e-3).all()
    assert shown[0] == 0


def test_frames_of_no_steady_rhythm_are_found_by_their_times():
    times = [0.0, 0.1, 0.9, 1.0]
    assert shown_at(times, np.array([0.0, 0.5, 0.9, 5.0])).tolist() == [0, 1, 2, 3]


def test_the_shortest_clip_has_a_picture_a_sample_and_a_token():
    assert len(sample_times(0.001, 4.0)) == 1
    assert LAYOUT.samples(0.0) == LAYOUT.tokens(0.0) == 1


def test_a_picture_is_never_asked_for_after_its_end():
    assert sample_times(4.0, 25.0)[-1] < 4.0
    assert len(sample_times(4.0, 25.0)) == 100
    assert len(sample_times(0.1, 25.0)) == 3


@pytest.mark.parametrize("wrong", [{"window": 0}, {"sample_rate": -1}, {"overlap": 63, "window": 125}])
def test_a_layout_that_cannot_be_is_refused(wrong):
    with pytest.raises(ConfigError, match="layout"):
        AudioLayout(**wrong)
