"""The clip that is continued comes to the model's rate and sides, and keeps its sound."""

import numpy as np
import pytest

from apps.i2v.conditioning.source_clip import continue_sound, fit_source_clip, read_source_clip
from shared.media.sound import Sound
from shared.results import Clip


def clip(frames=25, height=64, width=96, fps=24.0, seconds=None):
    counted = np.zeros((frames, height, width, 3), np.uint8)
    counted[:] = np.arange(frames, dtype=np.uint8)[:, None, None, None]
    counted[:, : height // 2] += 100
    samples = round((frames / fps if seconds is None else seconds) * 8000)
    tone = np.sin(np.arange(samples) / 5, dtype=np.float32)[None] * 0.5
    return Clip(counted, fps, sound=Sound(tone, 8000))


def test_another_frame_rate_is_resampled_and_said():
    said = []
    fitted = fit_source_clip(clip(), 8.0, "film.mp4", said.append)
    assert fitted.fps == 8.0 and len(fitted.frames) == 8
    assert fitted.frames[:, -1, 0, 0].tolist() == [0, 3, 6, 9, 12, 15, 18, 21]
    assert said == ["film.mp4: 24 frames a second are resampled to the model's 8"]
    assert abs(fitted.sound.seconds - fitted.seconds) < 1e-3


@pytest.mark.parametrize(
    ("width", "height", "expected"), [(100, 60, (96, 64)), (96, 64, (96, 64)), (8, 8, (16, 16))]
)
def test_sides_become_multiples_of_16_and_that_is_said(width, height, expected):
    said = []
    fitted = fit_source_clip(clip(5, height, width, 8.0), 8.0, "film.mp4", said.append)
    assert (fitted.frames.shape[2], fitted.frames.shape[1]) == expected
    assert len(said) == (expected != (width, height))


def test_a_clip_that_fits_stays_as_it_is():
    given = clip(9, fps=8.0)
    assert fit_source_clip(given, 8.0, "film.mp4", pytest.fail) is given


def test_the_sound_goes_on_as_silence_and_keeps_its_place():
    given = clip(18, fps=8.0)  # of 18 frames the last 17 are kept: 4k + 1
    longer = continue_sound(given, Clip(np.ones((33, 64, 96, 3), np.uint8), 8.0), added=16)
    kept = given.sound.waveform[:, 1000:]
    assert np.array_equal(longer.sound.waveform[:, : kept.shape[1]], kept)
    assert longer.sound.waveform[:, kept.shape[1] :].max() == 0
    assert longer.sound.seconds == pytest.approx(33 / 8)


def test_a_saved_film_comes_back_with_its_sound(tmp_path):
    read = read_source_clip(clip(9, fps=8.0).save(tmp_path / "film.mkv"))
    assert read.sound is not None and abs(read.sound.seconds - read.seconds) < 1e-3
    assert np.abs(read.sound.waveform).max() > 0.2
