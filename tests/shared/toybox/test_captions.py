"""What captions promise: every fact of a clip can be read from its words."""

import dataclasses

import numpy as np
import pytest

from shared.errors import InputError
from shared.toybox import caption_scene, describe_scene, read_scene, sample_scene
from shared.toybox.scenes.captions import ActorFacts, SceneFacts, caption_facts
from shared.toybox.scenes.scene import Actor, Scene

KINDS = {
    "one": {"actors": 1},
    "two": {"actors": 2},
    "camera": {"camera": True},
    "material": {"material": True},
}


def unordered(facts):
    return dataclasses.replace(facts, actors=tuple(sorted(facts.actors, key=repr)))


def test_the_plain_form_is_the_canonical_sentence():
    scene = Scene((Actor("red", "circle", "right", size=0.3),), "gray")
    rng = np.random.default_rng(0)
    assert caption_scene(scene, rng) == "a red circle moves right on a gray background"
    assert caption_scene(scene, rng, still=True) == "a red circle on a gray background"


def test_the_plain_form_names_material_texture_and_camera():
    facts = SceneFacts((ActorFacts("orange", "star", "spin", "wood"),), "navy", "spotted", "zoom in")
    expected = "an orange wooden star spins on a spotted navy background, the camera zooms in"
    assert caption_facts(facts, np.random.default_rng(0)) == expected


def test_other_words_for_the_same_scene_are_understood():
    facts = read_scene("A red ball slides to the right over a dark blue wall")
    assert facts == SceneFacts((ActorFacts("red", "circle", "right"),), "navy")


def test_other_words_for_the_same_scene_are_written():
    facts = SceneFacts((ActorFacts("red", "circle", "right"),), "navy")
    rng = np.random.default_rng(1)
    written = {caption_facts(facts, rng, "any") for _ in range(2000)}
    assert len(written) > 1500
    text = " ".join(written)
    assert all(words in text for words in ("red ball", "slides to the right", "over a dark blue wall"))


@pytest.mark.parametrize("still", [False, True])
@pytest.mark.parametrize("style", ["plain", "any", "structured"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_fact_can_be_read_from_every_caption(kind, style, still):
    rng = np.random.default_rng(2)
    for _ in range(150):
        scene = sample_scene(rng, **KINDS[kind])
        caption = caption_scene(scene, rng, style, still=still)
        read = read_scene(caption)
        assert read is not None, caption
        assert unordered(read) == unordered(describe_scene(scene, still=still)), caption


def test_structured_captions_differ_in_length_and_order():
    scene = sample_scene(np.random.default_rng(3), actors=1)
    rng = np.random.default_rng(4)
    lengths = [len(caption_scene(scene, rng, "structured").split()) for _ in range(300)]
    assert max(lengths) > 2.5 * min(lengths)


def test_a_text_without_a_coloured_shape_reads_as_nothing():
    assert read_scene("a dog runs on the beach") is None


def test_an_unknown_style_is_refused():
    with pytest.raises(InputError, match="style"):
        caption_scene(sample_scene(np.random.default_rng(0)), np.random.default_rng(0), "poem")
