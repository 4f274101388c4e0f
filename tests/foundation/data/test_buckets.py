"""Buckets of duration x aspect ratio."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.data.folder.buckets import (
    MOST_ENLARGED,
    Bucket,
    ClipSettings,
    bucket_of,
    durations,
    frames_at,
    nearest_frames,
    sizes,
)
from foundation.data.folder.survey import Medium
from shared.config import Size
from shared.errors import InputError


def film(frames=49, fps=24.0, width=1280, height=720):
    return Medium("", frames, (frames - 1) / fps, height, width)


def picture(width=1280, height=720):
    return Medium("", 1, 0.0, height, width)


@pytest.mark.parametrize(
    ("area", "supported"),
    [
        (Size(1280, 720), {(1280, 720), (720, 1280), (1104, 832), (832, 1104), (960, 960)}),
        (Size(960, 544), {(960, 544), (544, 960), (624, 832), (832, 624), (720, 720)}),
    ],
)
def test_the_released_models_areas_give_the_sizes_that_it_supports(area, supported):
    assert set(sizes(area)) == supported


@given(width=st.integers(1, 80), height=st.integers(1, 80))
def test_sizes_are_multiples_of_16_of_about_one_area(width, height):
    area = Size(16 * width, 16 * height)
    found = sizes(area)
    assert found[0] == area
    assert len(set(found)) == len(found)
    for size in found:
        assert size.width % 16 == size.height % 16 == 0
        if width * height >= 16:
            assert 0.7 < size.width * size.height / (area.width * area.height) < 1.4


@pytest.mark.parametrize(
    ("longest", "expected"),
    [(1, (1,)), (5, (5,)), (17, (17, 13, 9, 5)), (129, (129, 97, 65, 49, 33, 25, 17, 13, 9, 5))],
)
def test_durations_fall_from_the_longest_to_five_frames(longest, expected):
    assert durations(longest) == expected


@given(st.integers(0, 720))
def test_every_duration_is_4k_plus_1(k):
    found = durations(4 * k + 1)
    assert found[0] == 4 * k + 1
    assert all(frames % 4 == 1 for frames in found)
    assert list(found) == sorted(set(found), reverse=True)


@pytest.mark.parametrize(
    ("medium", "fps", "frames"),
    [
        (film(17, 8.0), 8, 17),
        (film(49, 24.0), 8, 17),
        (film(48, 24.0), 8, 16),
        (film(120, 23.976), 24, 120),
        (film(12, 12.0), 24, 24),
        (film(31, 30.0), 8, 9),
        (picture(), 8, 1),
    ],
)
def test_a_clip_has_as_many_frames_at_another_rate_as_its_time_holds(medium, fps, frames):
    assert frames_at(medium, fps) == frames


@given(
    frames=st.integers(2, 300), fps=st.sampled_from([8, 12.5, 23.976, 25, 30, 60]), target=st.floats(1, 60)
)
def test_every_picked_frame_is_within_half_a_frame_of_its_beat(frames, fps, target):
    times = [index / fps for index in range(frames)]
    count = frames_at(film(frames, fps), target)
    chosen = nearest_frames(times, target, count)
    assert chosen[0] == 0
    assert chosen == sorted(chosen)
    off = np.abs(np.array(times)[chosen] - np.arange(count) / target)
    assert off.max() <= 0.5 / fps + 1e-5
    if target <= fps:
        assert len(set(chosen)) == count


def test_frames_of_a_film_without_a_steady_rate_are_picked_by_their_time():
    assert nearest_frames([0.0, 0.5, 0.52, 0.54, 1.0, 1.1], 2.0, 3) == [0, 1, 4]


def test_a_clip_goes_to_the_longest_duration_it_fills_and_the_nearest_ratio():
    settings = ClipSettings(Size(960, 544), 17, 8.0)
    assert bucket_of(film(49), settings) == Bucket(17, 544, 960)
    assert bucket_of(film(400), settings) == Bucket(17, 544, 960)
    assert bucket_of(film(48), settings) == Bucket(13, 544, 960)
    assert bucket_of(film(49, width=1080, height=1920), settings) == Bucket(17, 960, 544)
    assert bucket_of(film(49, width=1000, height=1000), settings) == Bucket(17, 720, 720)
    assert bucket_of(picture(1600, 1200), settings) == Bucket(1, 624, 832)


def test_a_longest_clip_of_one_frame_takes_a_picture_from_each():
    assert bucket_of(film(), ClipSettings(frames=1)).still


@pytest.mark.parametrize(
    ("medium", "reason"),
    [
        (film(4, 8.0), "too short: 4 frames at 8 fps are 4 at 8 fps, the shortest bucket has 5"),
        (film(10, 30.0), "too short: 10 frames at 30 fps are 3 at 8 fps"),
        (film(49, 24.0, 50, 50), "too small: 50x50 would be enlarged 1.28 times to 64x64"),
        (picture(100, 30), "too small: 100x30"),
    ],
)
def test_what_no_bucket_takes_is_refused_with_the_reason(medium, reason):
    with pytest.raises(InputError, match=reason):
        bucket_of(medium, ClipSettings())


@given(width=st.integers(16, 4000), height=st.integers(16, 4000))
def test_no_picture_is_enlarged_beyond_the_bound(width, height):
    try:
        bucket = bucket_of(picture(width, height), ClipSettings(Size(256, 256), 17, 8.0))
    except InputError:
        return
    assert bucket.width <= MOST_ENLARGED * width
    assert bucket.height <= MOST_ENLARGED * height


@pytest.mark.parametrize(
    "given_settings",
    [{"size": Size(60, 64)}, {"frames": 16}, {"frames": 0}, {"fps": 0.0}, {"fps": float("nan")}],
)
def test_settings_that_no_clip_can_have_are_refused(given_settings):
    with pytest.raises(InputError):
        ClipSettings(**given_settings)


def test_tokens_are_the_papers_count():
    assert Bucket(129, 720, 1280).tokens == 118_800
