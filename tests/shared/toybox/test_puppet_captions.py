from dataclasses import replace

import numpy as np
import pytest

from shared.errors import InputError
from shared.toybox.puppets.captions import (
    HAIR_WORDS,
    caption_puppet,
    caption_skeleton,
    describe_puppet,
)
from shared.toybox.puppets.puppet import sample_puppet
from shared.toybox.puppets.reading import read_puppet
from shared.toybox.scenes.wording import BACKGROUND_WORDS, COLOR_WORDS


@pytest.fixture
def puppet():
    words = {
        "hair": "red",
        "clothes": "blue",
        "background": "gray",
        "expression": "smiling",
        "action": "still",
    }
    return replace(sample_puppet(np.random.default_rng(0)), **words)


def test_the_plain_caption_is_one_sentence_of_all_facts(puppet):
    rng = np.random.default_rng(0)
    assert caption_puppet(puppet, rng, "plain") == (
        "a person with red hair and a blue shirt smiles on a gray background"
    )
    assert caption_puppet(replace(puppet, clothes="orange", action="waving"), rng, "plain") == (
        "a person with red hair and an orange shirt smiles and waves on a gray background"
    )


@pytest.mark.parametrize("style", ["any", "structured"])
@pytest.mark.parametrize("still", [False, True])
def test_every_wording_names_hair_clothes_and_background(style, still):
    rng = np.random.default_rng(1)
    for _ in range(300):
        puppet = sample_puppet(rng)
        text = caption_puppet(puppet, rng, style, still=still).lower()
        assert any(word in text for word in HAIR_WORDS[puppet.hair]), text
        assert any(word in text for word in COLOR_WORDS[puppet.clothes]), text
        assert any(word in text for word in BACKGROUND_WORDS[puppet.background]), text
        assert "  " not in text and ",," not in text and " ," not in text, text


def test_wordings_vary(puppet):
    rng = np.random.default_rng(2)
    for style in ("any", "structured"):
        assert len({caption_puppet(puppet, rng, style) for _ in range(50)}) > 40


def test_a_picture_is_not_said_to_move_or_talk(puppet):
    rng = np.random.default_rng(3)
    talking = replace(puppet, expression="talking", action="nodding")
    for style in ("plain", "any", "structured"):
        for _ in range(50):
            text = caption_puppet(talking, rng, style, still=True)
            assert not any(word in text for word in ("talk", "speak", "nod", "chat", "head up"))


def test_a_skeleton_caption_says_how_it_moves(puppet):
    text = caption_skeleton(replace(puppet, action="waving"), np.random.default_rng(0))
    assert "wave" in text or "waving" in text or "greets" in text


def test_facts_are_the_puppets_words(puppet):
    facts = describe_puppet(puppet)
    assert (facts.hair, facts.clothes, facts.expression) == ("red", "blue", "smiling")


@pytest.mark.parametrize("style", ["plain", "any", "structured"])
@pytest.mark.parametrize("still", [False, True])
def test_every_caption_reads_back_as_its_facts(style, still):
    rng = np.random.default_rng(4)
    for _ in range(300):
        puppet = sample_puppet(rng)
        text, facts = caption_puppet(puppet, rng, style, still=still), describe_puppet(puppet, still=still)
        read = read_puppet(text)
        assert read.hair_style in (None, facts.hair_style), text
        if facts.action == "still" and read.action is None:
            facts = replace(facts, action=None)
        assert replace(read, hair_style=facts.hair_style) == facts, text


def test_a_free_sentence_is_read_as_far_as_it_goes():
    facts = read_puppet("A happy woman with ginger hair who waves at us")
    assert (facts.hair, facts.expression, facts.action, facts.clothes) == ("red", "smiling", "waving", None)
    assert read_puppet("a red circle moves right on a gray background") is None


def test_an_unknown_style_is_refused(puppet):
    with pytest.raises(InputError, match="style"):
        caption_puppet(puppet, np.random.default_rng(0), "poetic")
