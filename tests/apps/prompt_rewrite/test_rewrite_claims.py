"""What gets lost or made up in a rewrite is seen, in every language that has a word list."""

import pytest

from apps.prompt_rewrite.claims import differences, read_claims, stem
from apps.prompt_rewrite.languages import language
from apps.prompt_rewrite.revision import review, word_diff


def found(original, rewrite):
    return [str(difference) for difference in differences(original, rewrite)]


@pytest.mark.parametrize(
    ("original", "rewrite"),
    [
        (
            "A red ball slides to the right over a dark blue wall",
            "a red circle moves right on a navy background",
        ),
        ("un círculo rojo sube", "a red circle moves up"),
        (
            "Ein roter Kreis fällt, und ein blauer Stern dreht sich",
            "a red circle moves down and a blue star spins",
        ),
        ("un carré vert tourne en rond", "a green square orbits"),
        ("灰色背景上,一个蓝色星星旋转", "a blue star spins on a gray background"),
        ("右に動く赤い円", "a red circle moves right"),
        ("three wolves run", "Three grey wolves are running through the snow at night"),
        ("面白い映画", "An interesting movie"),
        ("a lachrymose gondolier sings in Venice", "A sad gondolier sings in Venice"),
    ],
)
def test_what_is_kept_is_no_difference(original, rewrite):
    assert [line for line in found(original, rewrite) if line.startswith("left out")] == []


@pytest.mark.parametrize(
    ("original", "rewrite", "lost"),
    [
        ("three wolves run", "wolves run", 'left out: number "3"'),
        ("tres caballos blancos", "white horses", 'left out: number "3"'),
        ("二匹の猫", "a cat", 'left out: number "2"'),
        ("40 elephants walk", "elephants walk", 'left out: number "40"'),
        ("a street without people", "a street with people", 'left out: negation "no"'),
        ("ein Mann ohne Hut", "a man with a hat", 'left out: negation "no"'),
        ("没有人的街道", "a street", 'left out: negation "no"'),
        ('a sign reads "OPEN"', "a sign glows", 'left out: quote "OPEN"'),
        ("une pancarte « Bonjour »", "a sign", 'left out: quote "Bonjour"'),
        ("看板に「駅」", "a sign", 'left out: quote "駅"'),
        ("a dog sees Einstein", "a dog sees a man", 'left out: name "Einstein"'),
        ("una fiesta con María", "a party", 'left out: name "María"'),
        ("a red car", "a car", 'left out: color "red"'),
        ("un coche rojo", "a car", 'left out: color "red"'),
        ("a red circle moves left", "a red circle moves right", 'left out: motion "red circle: left"'),
    ],
)
def test_what_got_lost_is_named(original, rewrite, lost):
    assert lost in found(original, rewrite)


def test_colours_that_changed_places_are_seen():
    lost = found("a red circle and a blue star", "a blue circle and a red star")
    assert 'left out: object "red circle"' in lost
    assert 'added: object "blue circle"' in lost


def test_motions_that_changed_places_are_seen():
    original = "a red circle grows and a blue star spins"
    assert found(original, "a red circle spins and a blue star grows")
    assert not found(original, "a blue star spins and a red circle grows")


def test_a_motion_that_a_sentence_tears_apart_is_not_made_up():
    torn = "Ein roter Ball gleitet vor einer dunkelblauen Wand nach rechts"
    assert found(torn, "a red circle moves right on a navy background") == []
    assert found(torn, "a red circle moves left on a navy background") != []


def test_what_was_made_up_is_named():
    assert found("a cat", "two red cats") == ['added: color "red"', 'added: number "2"']


def test_another_subject_altogether_is_a_loss():
    lost = differences("an old fisherman mends his net at dawn", "A young woman dances in a bright hall")
    assert {d.claim.fact for d in lost if d.is_loss} >= {"fisherman", "net"}


def test_a_language_without_word_list_is_compared_by_numbers_and_quotes():
    assert found("Ένας γάτος 3", "A cat") == ['left out: number "3"']


def test_two_objects_count_as_the_number_two():
    assert not found(
        "dos figuras: un círculo rojo sube y una cruz azul gira",
        "a red circle moves up and a blue cross spins",
    )


def test_a_star_with_five_points_is_no_number():
    assert not any(claim.kind == "number" for claim in read_claims("a red five-pointed star", language("en")))


@pytest.mark.parametrize(
    "words", ["run runs running", "mend mends mended mending", "city cities", "quick quickly"]
)
def test_forms_of_a_word_share_its_stem(words):
    assert len({stem(word) for word in words.split()}) == 1


def test_the_diff_shows_what_was_left_out_and_added():
    assert word_diff("a red ball", "a big red box") == "a{+ big+} red [-ball-]{+box+}"
    assert word_diff("红色圆形", "红色方形") == "红色[-圆-]{+方+}形"


def test_two_languages_are_shown_one_below_the_other():
    assert review("un círculo rojo", "a red circle") == ["- un círculo rojo", "+ a red circle"]
    assert review("a red ball", "a red box")[2] == "  a red [-ball-]{+box+}"
