"""What the mix promises: a clip belongs to its number."""

from collections import Counter

import numpy as np
import pytest

from shared.errors import InputError
from shared.toybox.mix import WORLDS, caption_clip, toy_clip


@pytest.mark.parametrize("world", WORLDS)
def test_a_seed_always_gives_the_same_clip_and_captions(world):
    first, second = toy_clip(3, world), toy_clip(3, world)
    assert np.array_equal(first.frames, second.frames)
    assert [caption_clip(first, v) for v in range(4)] == [caption_clip(second, v) for v in range(4)]


def test_what_a_clip_shows_does_not_depend_on_its_size():
    assert all(toy_clip(i).subject == toy_clip(i, frames=1, size=16).subject for i in range(30))


def test_the_mix_holds_every_kind_in_its_share():
    kinds = Counter(toy_clip(i, frames=1, size=16).kind for i in range(400))
    for kind, share in WORLDS["mix"].items():
        assert abs(kinds[kind] / 400 - share) < 0.07


def test_held_out_clips_differ_from_training_clips():
    assert toy_clip(0, "scenes", "train").subject != toy_clip(0, "scenes", "heldout").subject


def test_a_single_frame_is_captioned_as_a_picture():
    assert "moves" not in " ".join(toy_clip(i, "scenes", frames=1).caption for i in range(40))


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"world": "mars"}, {"split": "test"}])
def test_a_clip_that_does_not_exist_is_refused(wrong):
    with pytest.raises(InputError):
        toy_clip(**{"seed": 0, **wrong})
