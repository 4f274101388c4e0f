"""The judges of image-to-video: they accept rendered clips, and see what is wrong with others."""

import numpy as np
import pytest

from apps.i2v import ImageToVideoPipeline, metrics
from apps.i2v.metrics import _is_between, _is_steady, _kept, _seam, case_counts, held_out_loss, lab
from foundation.evaluation.t2v import Sampling
from foundation.evaluation.vae import reconstruct
from shared.config import Size
from shared.toybox.mix import toy_clip


def held_out(case, number=10):
    clips = metrics._held_out(case, 17, Size(64, 64))
    return [next(clips) for _ in range(number)]


def test_colours_are_those_of_the_standard():
    colors = np.array([[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 0, 255]], np.uint8)
    expected = [[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20], [32.30, 79.19, -107.86]]
    assert lab(colors) == pytest.approx(np.array(expected), abs=0.1)


def test_rendered_clips_are_steady_and_move_from_end_to_end():
    clips = held_out(metrics.BOTH_ENDS)
    assert all(_is_between(clip.frames) for clip in clips)
    assert all(_is_steady(clip.frames) for clip in clips + held_out("puppets"))


def test_a_flash_and_a_clip_that_stands_still_and_jumps_are_seen():
    frames = held_out(metrics.BOTH_ENDS, 1)[0].frames
    flash = frames.copy()
    flash[8] = np.minimum(flash[8].astype(int) + 40, 255)
    assert not _is_steady(flash)
    assert not _is_between(np.concatenate([frames[:1].repeat(16, 0), frames[-1:]]))


def test_a_jump_where_windows_meet_stands_out():
    rng = np.random.default_rng(0)
    even = np.cumsum(rng.integers(1, 3, (1 + 16 + 6 * 8, 1, 1, 1)), 0).repeat(3, 3).astype(np.uint8)
    assert _seam(even, 5, 5) == pytest.approx(1, abs=0.5)
    jump = even.copy()
    jump[17:] += 60
    assert _seam(jump, 5, 5) > 3


@pytest.fixture(scope="module")
def pipe(i2v_folder):
    return ImageToVideoPipeline.from_pretrained(str(i2v_folder), device="cpu")


def test_what_the_vae_makes_of_a_picture_is_as_good_as_it_gets(pipe):
    frames = toy_clip(0, "scenes", frames=5, size=32).frames
    again = frames.copy()
    for at in (0, 4):
        again[at] = next(reconstruct(pipe.vae, [frames[at][None]]))[0]
    assert _kept(pipe, again, frames, (0, 4)) == 0
    opposite = np.where(frames < 128, 255, 0).astype(np.uint8)
    assert _kept(pipe, opposite, frames, (0,)) < -1


def test_the_loss_of_a_model_is_the_same_every_time(pipe):
    loss = held_out_loss(pipe, 2)
    assert loss.keys() == {"loss, scenes", "loss, puppets"}
    assert held_out_loss(pipe, 2) == loss


def test_every_figure_is_measured(pipe):
    shown = []
    scores = metrics.judge_pictures(
        pipe, 2, Sampling(1, 2.0, 3.0, Size(64, 64)), lambda *clip: shown.append(clip)
    )
    assert scores.shares.keys() == metrics.CASES.keys()
    assert all({"picture", "steady"} <= row.keys() for row in scores.shares.values())
    assert "between" in scores.shares[metrics.BOTH_ENDS]
    assert len(shown) == sum(case_counts(2).values())
    shares, figures = metrics.judge_extensions(pipe, 1, 1, 1.0, None)
    assert {"colour", "seams"} == next(iter(shares.values())).keys()
    assert all(np.isfinite(list(figures.values())))
