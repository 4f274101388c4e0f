"""What the starter does not know is named, and its own captions are never taken for unknown."""

import dataclasses

import pytest

from foundation.checkpoints.registry import STARTER, find_parts
from foundation.checkpoints.vocabulary import describe_unknown, unknown_words
from shared.toybox.mix import caption_clip, toy_clip


@pytest.mark.parametrize("world", ["scenes", "pairs", "cameras", "puppets"])
def test_captions_that_training_never_saw_hold_no_unknown_word(world):
    for seed in range(40):
        clip = toy_clip(seed, world, "heldout", frames=5, size=16)
        for variant in range(4):
            assert unknown_words(STARTER, caption_clip(clip, variant)) == []


def test_what_the_starter_cannot_draw_is_named():
    line = describe_unknown(
        find_parts("starter"), ["a cat walks on the grass, realistic style", "a red circle"]
    )
    assert line is not None and line.startswith(
        "starter does not know cat, walks, grass and realistic: it draws circles"
    )


def test_many_unknown_words_are_counted():
    line = describe_unknown(
        find_parts("starter"), ["one two three four bicycles racing along rivers beside mountains"]
    )
    assert line is not None and "more" in line.split(":")[0]


@pytest.mark.parametrize(
    "prompt",
    [
        "a red circle moves right on a gray background",
        "A red ball slides to the right over a dark blue wall",
        "",
    ],
)
def test_nothing_is_said_of_a_prompt_that_it_knows(prompt):
    assert describe_unknown(find_parts("starter"), [prompt]) is None


def test_a_model_that_was_trained_further_is_not_judged_by_its_base(tmp_path):
    parts = dataclasses.replace(find_parts("starter"), transformer=tmp_path / "transformer")
    assert describe_unknown(parts, ["a cat"]) is None


def test_a_model_without_a_vocabulary_knows_everything(tmp_path):
    assert unknown_words(tmp_path, "a cat") == []


def test_a_damaged_vocabulary_refuses_no_prompt(tmp_path):
    (tmp_path / "vocabulary.txt").write_bytes(b"red\ncircle\n\xff\xfe\n")
    assert unknown_words(tmp_path, "a red cat") == ["cat"]
