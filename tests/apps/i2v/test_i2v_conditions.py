"""What the model is told of given pictures, and which of them training gives."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import tiny_transformer

from apps.i2v.conditioning.channels import channels_of, condition_channels, keyframe_channels
from apps.i2v.conditioning.extension import MOST_CONTINUED
from apps.i2v.training.config import PatternShares
from apps.i2v.training.patterns import MOST_KEYFRAMES, draw_pattern, windowed
from foundation.models.transformer import (
    Conditioning,
    TextConditioning,
    VideoTransformer,
    widen_patch_embedding,
)
from shared.errors import ConfigError, InputError


def picture(value):
    return torch.full((1, 4, 1, 2, 3), float(value))


def test_a_first_picture_is_followed_by_zeros_and_marked_in_the_mask():
    channels = keyframe_channels({0: picture(7)}, frames=5)
    assert channels.shape == (1, 5, 5, 2, 3)
    assert torch.equal(channels[:, :4, :1], picture(7))
    assert not channels[:, :, 1:].any()
    assert channels[:, 4, 0].eq(1).all()


def test_any_set_of_keyframes_stands_where_it_belongs():
    channels = keyframe_channels({4: picture(3), 0: picture(1), 2: picture(2)}, frames=5)
    assert channels[0, 0, :, 0, 0].tolist() == [1, 0, 2, 0, 3]
    assert channels[0, 4, :, 0, 0].tolist() == [1, 0, 1, 0, 1]


@pytest.mark.parametrize("wrong", [{}, {5: picture(1)}, {-1: picture(1)}])
def test_keyframes_outside_of_the_clip_are_refused(wrong):
    with pytest.raises(InputError, match="0 to 4"):
        keyframe_channels(wrong, frames=5)


def test_what_is_not_given_leaves_no_trace():
    known = torch.full((2, 4, 3, 2, 2), float("nan"))
    known[:, :, 0] = 1
    channels = condition_channels(known, torch.tensor([[True, False, False]] * 2))
    assert torch.isfinite(channels).all()
    with pytest.raises(InputError, match="one entry per clip and latent frame"):
        condition_channels(known, torch.ones(2, 4, dtype=torch.bool))


@torch.no_grad()
def test_a_widened_model_starts_as_the_text_to_video_model_whatever_is_given():
    model = tiny_transformer(VideoTransformer)
    latents, sigma = torch.randn(1, 4, 5, 4, 6), torch.tensor([0.6])
    text = TextConditioning(torch.randn(1, 3, 24), None, torch.randn(1, 12))
    expected = model(latents, sigma, Conditioning(text))
    widen_patch_embedding(model, channels_of(4))
    for at in ((0,), (0, 4), (1, 3), (0, 1, 2)):
        channels = keyframe_channels({t: torch.randn(1, 4, 1, 4, 6) for t in at}, frames=5)
        assert torch.equal(model(latents, sigma, Conditioning(text, channels=channels)), expected)


@given(seed=st.integers(0, 2**32), frames=st.integers(1, 9), window=st.integers(1, 9))
def test_every_pattern_stays_in_its_clip_and_leaves_something_to_learn(seed, frames, window):
    window = min(frames, window)
    pattern = draw_pattern(np.random.default_rng(seed), frames, window)
    count = int(pattern.given(window).sum())
    assert 1 <= count <= max(window - 1, 1)
    assert 0 <= pattern.start <= frames - window
    assert list(pattern.pictures) == sorted(set(pattern.pictures))
    if pattern.pictures:
        assert pattern.start == 0 and pattern.continued == 0
    else:
        assert 1 <= pattern.continued <= MOST_CONTINUED


def drawn(shares, frames=7, window=5, count=300):
    generator = np.random.default_rng(0)
    return [draw_pattern(generator, frames, window, shares) for _ in range(count)]


def test_each_way_of_giving_pictures_is_drawn_as_often_as_its_share_says():
    patterns = drawn(PatternShares(first=2, both_ends=1, keyframes=0, continued=1), count=2000)
    for expected, hits in (
        (0.5, [p.pictures == (0,) for p in patterns]),
        (0.25, [p.pictures == (0, 4) for p in patterns]),
        (0.25, [p.continued > 0 for p in patterns]),
    ):
        assert np.mean(hits) == pytest.approx(expected, abs=0.04)


def test_keyframes_come_anywhere_and_continuations_begin_inside_of_the_clip():
    keyframes = drawn(PatternShares(0, 0, 1, 0))
    assert {len(p.pictures) for p in keyframes} == set(range(1, MOST_KEYFRAMES + 1))
    assert {at for p in keyframes for at in p.pictures} == set(range(5))
    continued = drawn(PatternShares(0, 0, 0, 1))
    assert {p.start for p in continued} == {1, 2}
    assert {p.continued for p in continued} == {1, 2, 3}


def test_shares_that_draw_nothing_are_refused():
    with pytest.raises(ConfigError, match="shares of patterns"):
        PatternShares(0, 0, 0, 0)


def test_keyframes_are_known_as_pictures_and_continuations_as_the_clip_is():
    clip, pictures = torch.randn(4, 7, 2, 2), torch.randn(4, 7, 2, 2)
    (keyframes,) = (p for p in drawn(PatternShares(0, 1, 0, 0), count=1))
    target, known = windowed(clip, pictures, keyframes, 5)
    assert torch.equal(target, clip[:, :5])
    assert torch.equal(known[:, 4], pictures[:, 4])
    assert torch.equal(known[:, 1:4], clip[:, 1:4])
    (continued,) = drawn(PatternShares(0, 0, 0, 1), count=1)
    target, known = windowed(clip, pictures, continued, 5)
    assert torch.equal(target, clip[:, continued.start : continued.start + 5])
    assert torch.equal(known, target)
