from dataclasses import replace

import numpy as np
import pytest

from shared.errors import InputError
from shared.toybox.puppets.keypoints import (
    LEFT_SHOULDER,
    LEFT_WRIST,
    MOUTH_CORNERS,
    MOUTH_MIDDLE,
    RIGHT_WRIST,
)
from shared.toybox.puppets.puppet import (
    EXPRESSIONS,
    HAIRS,
    is_decidable,
    is_held_out,
    make_tracks,
    render_puppet,
    sample_puppet,
    with_mouth,
)
from shared.toybox.scenes.vocabulary import BACKGROUNDS


@pytest.fixture
def puppet():
    return replace(sample_puppet(np.random.default_rng(3)), expression="talking", action="still")


def test_a_clip_has_the_asked_frames_and_size(puppet):
    clip = render_puppet(puppet, frames=9, size=(96, 64), fps=25.0)
    assert clip.frames.shape == clip.skeleton.shape == (9, 64, 96, 3)
    assert clip.frames.dtype == clip.skeleton.dtype == np.uint8
    assert clip.keypoints.shape == (9, 133, 3)
    assert clip.face_box.shape == (9, 4)


def test_the_same_puppet_is_drawn_bit_for_bit_again(puppet):
    assert np.array_equal(render_puppet(puppet).frames, render_puppet(puppet).frames)


def test_the_first_frame_of_a_clip_is_its_picture(puppet):
    assert np.array_equal(render_puppet(puppet).frames[:1], render_puppet(puppet, frames=1).frames)


def test_a_larger_picture_shows_the_same_puppet(puppet):
    small = render_puppet(puppet, frames=1).frames[0].astype(float)
    large = render_puppet(puppet, frames=1, size=128).frames[0].astype(float)
    shrunk = large.reshape(64, 2, 64, 2, 3).mean((1, 3))
    assert np.abs(shrunk - small).mean() < 2.0


def test_the_face_is_at_least_24_pixels_wide():
    rng = np.random.default_rng(0)
    for _ in range(20):
        box = render_puppet(sample_puppet(rng), frames=1).face_box[0]
        assert box[2] - box[0] >= 24


def test_the_background_has_its_palette_colour(puppet):
    assert tuple(render_puppet(puppet).frames[0, 1, 1]) == BACKGROUNDS[puppet.background]


def test_held_out_combinations_are_never_in_training_and_always_in_the_other_split():
    rng = np.random.default_rng(1)
    for split, expected in (("train", False), ("heldout", True)):
        for _ in range(200):
            drawn = sample_puppet(rng, split=split)
            assert is_held_out(drawn.hair, drawn.clothes, drawn.expression) is expected
            assert is_decidable(drawn.skin, drawn.hair, drawn.clothes, drawn.background)


def test_every_value_stays_frequent_in_training():
    rng = np.random.default_rng(2)
    drawn = [sample_puppet(rng) for _ in range(1500)]
    for name, values in (("hair", HAIRS), ("background", BACKGROUNDS), ("expression", EXPRESSIONS)):
        for value in values:
            share = np.mean([getattr(one, name) == value for one in drawn])
            assert share > 0.4 / len(values), (name, value)


def test_an_unknown_split_is_refused():
    with pytest.raises(InputError, match="split"):
        sample_puppet(np.random.default_rng(0), split="test")


@pytest.mark.parametrize("arguments", [{"size": 8}, {"frames": 0}, {"fps": float("nan")}])
def test_what_cannot_be_drawn_is_refused(puppet, arguments):
    with pytest.raises(InputError):
        render_puppet(puppet, **arguments)


def test_a_voice_can_move_the_mouth(puppet):
    opening = np.linspace(0.0, 1.0, 17).astype(np.float32)
    clip = render_puppet(puppet, tracks=with_mouth(make_tracks(puppet, 17, 8.0), opening))
    lips = clip.keypoints[:, MOUTH_MIDDLE, 1]
    assert np.all(np.diff(lips[:, 1] - lips[:, 0]) > 0)
    assert np.array_equal(clip.expression.mouth_open, opening)


def test_keypoints_lie_on_what_they_name(puppet):
    clip = render_puppet(puppet)
    corners = clip.keypoints[0, MOUTH_CORNERS, :2]
    x0, y0, x1, y1 = clip.face_box[0]
    assert x0 < corners[0, 0] < corners[1, 0] < x1
    assert np.all((corners[:, 1] > (y0 + y1) / 2) & (corners[:, 1] < y1))
    shoulder = clip.keypoints[0, LEFT_SHOULDER]
    assert shoulder[2] == 1 and shoulder[0] > 32


def test_only_a_waving_puppet_shows_a_wrist(puppet):
    still = render_puppet(puppet).keypoints[:, [LEFT_WRIST, RIGHT_WRIST], 2]
    assert not still.any()
    waving = render_puppet(replace(puppet, action="waving")).keypoints[:, [LEFT_WRIST, RIGHT_WRIST], 2]
    assert waving.sum(1).tolist() == [1.0] * 17


def test_the_skeleton_shows_each_visible_joint_in_its_colour(puppet):
    clip = render_puppet(puppet)
    x, y, _ = clip.keypoints[0, LEFT_SHOULDER].astype(int)
    assert clip.skeleton[0, y, x].tolist() == [85, 255, 0]
