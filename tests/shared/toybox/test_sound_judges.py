"""What the judges of sounds promise: they hear what is there, and nothing that is not."""

from itertools import islice

import numpy as np
import pytest

from shared.errors import InputError
from shared.toybox.judges.sounds import (
    find_onsets,
    join_ratio,
    judge_material,
    match_onsets,
    score_sound,
    silence_share,
    steps_at,
    validate_sounds,
)
from shared.toybox.sounds.impacts import SAMPLE_RATE, band_noise
from shared.toybox.sounds.music import Music, play
from shared.toybox.sounds.sound import toy_sound


def struck(count):
    clips = (toy_sound(seed) for seed in range(100))
    return list(islice((clip for clip in clips if clip.facts.events), count))


def test_judges_agree_with_ground_truth():
    scores = validate_sounds(24, seed=1000)
    assert min(scores.values()) >= 0.98, scores


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.0, 0.003])
def test_judges_are_right_on_98_of_100_clips(noise):
    scores = validate_sounds(300, seed=2000, noise=noise)
    assert min(scores.values()) >= 0.98, scores


def test_onsets_are_found_to_five_milliseconds():
    for clip in struck(4):
        match = match_onsets(list(find_onsets(clip.waveform)), clip.facts.events)
        assert match.missed == match.false == 0
        assert np.abs(match.shifts).max() < 0.005


def test_loudness_changes_no_verdict():
    clip = struck(1)[0]
    for gain in (0.02, 1.0, 1.9):
        assert score_sound(clip.waveform * gain, clip.facts) == {
            "events heard": 1.0,
            "onsets true": 1.0,
            "material": 1.0,
        }


def test_the_sound_of_another_clip_does_not_fit():
    clips = struck(12)
    others = clips[1:] + clips[:1]
    scores = [score_sound(other.waveform, clip.facts) for clip, other in zip(clips, others, strict=True)]
    assert np.mean([score["events heard"] for score in scores]) < 0.4
    assert np.mean([score["material"] for score in scores]) < 0.5


def test_late_sound_is_heard_to_be_late():
    clip = struck(1)[0]
    late = np.concatenate([np.zeros(1600, np.float32), clip.waveform])
    assert score_sound(late, clip.facts)["events heard"] == 0.0
    match = match_onsets(list(find_onsets(late)), clip.facts.events, tolerance=0.2)
    assert np.abs(np.array(match.shifts) - 0.1).max() < 0.005


def test_music_noise_and_quiet_strike_nothing():
    rng = np.random.default_rng(0)
    music = 0.1 * play(Music("flute", "major", "fast", 3), 4 * SAMPLE_RATE)
    noise = 0.1 * band_noise(rng, 4 * SAMPLE_RATE, 900, 0.6)
    for sound in (music, noise, np.zeros(SAMPLE_RATE), np.zeros(0), np.ones(10)):
        assert len(find_onsets(sound)) == 0
        assert judge_material(sound) is None


def test_each_onset_and_each_event_count_once():
    match = match_onsets([1.0, 1.02, 3.0], [1.01, 2.0])
    assert match.shifts == pytest.approx([-0.01]) or match.shifts == pytest.approx([0.01])
    assert (match.missed, match.false) == (1, 2)
    assert (match.recall, match.false_share) == (0.5, pytest.approx(2 / 3))


def test_nothing_wanted_and_nothing_found_is_right():
    match = match_onsets([], [])
    assert (match.recall, match.false_share) == (1.0, 0.0)


def test_steps_are_measured_in_decibels():
    rng = np.random.default_rng(1)
    noise = 0.05 * rng.standard_normal(2 * SAMPLE_RATE)
    noise[SAMPLE_RATE:] *= 10 ** (12 / 20)
    step = steps_at(noise, [0.5, 1.0])
    assert step.level[1] == pytest.approx(12, abs=1)
    assert step.level[0] < 1
    assert step.spectrum[1] > 4 * step.spectrum[0]


def test_a_join_is_told_from_its_surroundings():
    rng = np.random.default_rng(2)
    even = 0.05 * rng.standard_normal(8 * SAMPLE_RATE)
    assert max(join_ratio(even, [2.0, 4.0, 6.0])) < 2
    joined = even.copy()
    joined[4 * SAMPLE_RATE :] *= 3
    level, spectrum = join_ratio(joined, [4.0])
    assert level > 5
    assert spectrum > 3


def test_silence_is_the_share_below_sixty_decibels():
    quiet, loud = np.full(SAMPLE_RATE, 5e-4), np.full(SAMPLE_RATE, 5e-2)
    assert silence_share(np.concatenate([quiet, quiet, loud, quiet])) == pytest.approx(0.75)
    assert silence_share(np.zeros(0)) == 1.0


@pytest.mark.parametrize("wrong", [np.zeros((2, 100)), np.array([0.0, np.nan])])
def test_samples_of_another_kind_are_refused(wrong):
    with pytest.raises(InputError, match="cannot judge samples"):
        find_onsets(wrong)
