from dataclasses import replace

import numpy as np
import pytest

from shared.toybox.judges.puppets import (
    judge_puppet,
    keypoint_error,
    mouth_opening,
    score_puppet,
    validate_puppets,
)
from shared.toybox.judges.skeletons import find_joints, joint_error
from shared.toybox.puppets.captions import describe_puppet
from shared.toybox.puppets.puppet import make_tracks, render_puppet, sample_puppet, with_mouth


@pytest.fixture
def puppet():
    return replace(sample_puppet(np.random.default_rng(3)), expression="talking", action="still")


def test_judges_agree_with_the_truth_of_rendered_clips():
    for name, score in validate_puppets(8, seed=0).items():
        assert score >= 0.95, name


@pytest.mark.slow
@pytest.mark.parametrize("size", [64, 128])
def test_judges_are_right_on_ground_truth_in_98_of_100(size):
    for name, score in validate_puppets(80, seed=1, size=size).items():
        assert score >= 0.98, name


@pytest.mark.slow
def test_judges_stand_the_blur_of_a_lossy_decoder():
    for name, score in validate_puppets(60, seed=2, blur=0.7, noise=4.0).items():
        assert score >= 0.95, name


def test_a_driven_mouth_is_measured_frame_by_frame(puppet):
    opening = np.linspace(0.0, 1.0, 17).astype(np.float32)
    clip = render_puppet(puppet, tracks=with_mouth(make_tracks(puppet, 17, 8.0), opening))
    assert np.abs(mouth_opening(clip.frames) - opening).max() < 0.15


def test_a_larger_clip_is_judged_in_its_own_pixels(puppet):
    clip = render_puppet(puppet, frames=9, size=(160, 128), fps=25.0)
    error = keypoint_error(clip.frames, clip.keypoints)
    assert np.all(error["eyes"] < 5.0) and np.all(error["mouth"] < 5.0)
    assert np.nanmax(joint_error(clip.skeleton, clip.keypoints)) < 5.0


def test_a_wrong_fact_is_scored_as_wrong(puppet):
    facts = describe_puppet(puppet)
    other = replace(facts, clothes="cyan" if facts.clothes != "cyan" else "red")
    scores = score_puppet(judge_puppet(render_puppet(puppet).frames), other)
    assert scores == {name: name != "clothes" for name in scores}


def test_facts_that_are_not_stated_are_not_scored(puppet):
    facts = replace(describe_puppet(puppet), action=None, expression=None)
    scores = score_puppet(judge_puppet(render_puppet(puppet, frames=1).frames), facts)
    assert set(scores) == {"hair", "clothes", "background"}


def test_a_clip_without_a_face_has_no_expression():
    judged = judge_puppet(np.full((17, 64, 64, 3), 128, np.uint8))
    assert judged.expression is None and judged.action is None


def test_a_raised_hand_is_found_beside_the_head(puppet):
    clip = render_puppet(replace(puppet, action="waving"))
    error = keypoint_error(clip.frames, clip.keypoints)["wrists"]
    assert np.nanmax(error) < 2.5


def test_an_empty_drawing_has_no_joints():
    assert not find_joints(np.zeros((2, 64, 64, 3), np.uint8)).any()
