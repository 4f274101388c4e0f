"""Prompts in six languages: recognised, known, and from each every fact can be read."""

import numpy as np
import pytest

from apps.prompt_rewrite.claims import differences, read_claims
from apps.prompt_rewrite.data.captions import caption
from apps.prompt_rewrite.data.facts import Figure
from apps.prompt_rewrite.data.pairs import draw_prompt
from apps.prompt_rewrite.evaluation import facts_kept, held_out
from apps.prompt_rewrite.languages import CODES, detect, language, normal_form
from shared.toybox.puppets.captions import PuppetFacts
from shared.toybox.scenes.captions import ActorFacts, SceneFacts, caption_facts
from shared.toybox.scenes.vocabulary import is_held_out


def prompts(code, count=60):
    rng = np.random.default_rng(5)
    for _ in range(count):
        yield draw_prompt(rng, language(code))


@pytest.mark.parametrize("code", CODES)
def test_every_prompt_is_recognised_and_made_of_known_words(code):
    for text, _ in prompts(code):
        assert detect(text) is language(code), text
        assert language(code).unknown(text) == [], text


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("mode", ["normal", "master"])
def test_a_prompt_and_its_rewrite_claim_the_same(code, mode):
    for text, subject in prompts(code):
        found = list(differences(text, caption(subject, mode)))
        assert found == [], f"{text} => {caption(subject, mode)}"


@pytest.mark.parametrize("mode", ["normal", "master"])
def test_every_fact_can_be_read_from_every_rewrite(mode):
    for asked in held_out(120):
        kept = facts_kept(asked.subject, caption(asked.subject, mode))
        assert all(kept.values()), (asked, kept)


def test_the_same_prompt_is_asked_in_many_ways():
    assert len({text for text, _ in prompts("ja", 200)}) > 190


def test_held_out_prompts_lead_with_what_training_never_sees():
    scenes = [asked.subject for asked in held_out(60) if isinstance(asked.subject, SceneFacts)]
    for scene in scenes:
        assert any(is_held_out(a.color, a.shape, a.motion) for a in scene.actors)
    assert {asked.language for asked in held_out(12)} == set(CODES)


def test_the_plain_rewrite_is_the_plain_caption():
    scene = SceneFacts(
        (ActorFacts("orange", "star", "spin", "wood"), ActorFacts("cyan", "ring", "left")),
        "navy",
        "spotted",
        "zoom in",
    )
    assert caption(scene, "normal") == caption_facts(scene, np.random.default_rng(0))


def test_the_master_rewrite_adds_composition_lighting_and_camera():
    text = caption(SceneFacts((ActorFacts("red", "circle", "right"),), "gray"), "master")
    assert text.startswith("dense description: a red circle moves right on a gray background")
    assert all(label in text for label in ("shot type:", "lighting:", "camera:", "atmosphere:"))


def test_what_was_not_said_is_not_written():
    scene = SceneFacts((ActorFacts("red", "circle", None),), "", None, None)
    figure = Figure("woman", PuppetFacts("red", "blue", None, "smiling", "waving", "bun"))
    assert caption(scene, "normal") == "a red circle"
    assert caption(figure, "normal") == "a woman with red hair in a bun and a blue shirt smiles and waves"


@pytest.mark.parametrize(
    ("code", "prompt", "unknown"),
    [
        ("en", "an old fisherman and a red circle", ["old", "fisherman"]),
        ("es", "un gato rojo", ["gato"]),
        ("fr", "un chat rouge", ["chat"]),
        ("de", "eine rote Katze", ["katze"]),
        ("zh", "一只红色的猫", ["一只", "猫"]),
        ("ja", "赤い猫が動かない", ["猫"]),
        ("en", "3 red balls", ["3", "balls"]),
    ],
)
def test_words_outside_of_the_toybox_are_noticed(code, prompt, unknown):
    assert detect(prompt) is language(code)
    assert language(code).unknown(prompt) == unknown


@pytest.mark.parametrize(
    ("code", "prompt", "read"),
    [
        ("de", "ein roter Kreis vor braunem Hintergrund", "ein roter kreis vor braunen hintergrund"),
        ("de", "ein Stern in grünem Licht", "ein stern in grünen licht"),
        ("es", "una estrella amarilla", "una estrella amarilla"),
        ("fr", "une boule jaune", "une boule jaune"),
        ("en", "3 red balls", "3 red balls"),
    ],
)
def test_an_ending_that_training_never_had_is_read_as_one_that_it_had(code, prompt, read):
    assert language(code).familiar_form(prompt) == read


@pytest.mark.parametrize("text", ["", "12345", "zzz qqq", "Ωραίο"])
def test_a_text_without_known_words_has_no_language(text):
    assert detect(text) is None


def test_adjectives_take_the_form_of_their_noun():
    spanish, german = language("es"), language("de")
    assert spanish.form("rojo/roja", "f") == "roja"
    assert spanish.form("azul", "f") == "azul"
    assert [german.form("rot*", gender) for gender in "mfndp"] == ["roter", "rote", "rotes", "roten", "rot"]
    assert german.form("lila", "d") == "lila"


def test_the_width_of_signs_does_not_matter():
    assert normal_form("Ｒｅｄ ，  L’été") == "red , l'été"  # noqa: RUF001


def test_a_strong_ending_says_the_same_as_a_weak_one():
    strong, weak = (
        "ein roter Kreis dreht sich vor braunem Hintergrund",
        "ein roter Kreis dreht sich vor einem braunen Hintergrund",
    )
    assert read_claims(strong, language("de")) == read_claims(weak, language("de"))
