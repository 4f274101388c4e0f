"""What a film takes as it is, and what it makes again."""

import numpy as np
from fake_models import STORY, STORY_PARTS, Fake, made

from shared.results import read_clip


def test_a_shot_begins_with_the_last_frame_of_the_one_before(film, place):
    film("--scenes", place / "story.yaml")
    (told,) = [settings for command, _, settings in Fake.calls if command == "i2v"]
    before = read_clip(place / "film.shots" / "shot-01.mkv").frames[-1]
    assert np.array_equal(told["first"], before)


def test_what_is_there_is_taken_as_it_is(film, place):
    film("--scenes", place / "story.yaml")
    first = (place / "film.mp4").read_bytes()
    said = film("--scenes", place / "story.yaml")
    assert made() == [] and Fake.loads == []
    assert "film.mp4 existed and is replaced" in said.err
    assert (place / "film.mp4").read_bytes() == first


def test_only_what_changed_is_made_again(film, place):
    film("--scenes", place / "story.yaml")
    (place / "story.yaml").write_text(STORY.replace("a blue star spins", "a green star spins"))
    film("--scenes", place / "story.yaml")
    assert made() == [("t2v", "a green star spins")]
    (place / "story.yaml").write_text(STORY.replace("a wooden ball", "a metal ball"))
    film("--scenes", place / "story.yaml")
    assert made() == [("t2v", "a blue star spins"), ("v2a", "a metal ball rolls")]
    (place / "story.yaml").write_text(STORY.replace("a red", "a white"))
    film("--scenes", place / "story.yaml")
    assert ("i2v", "it bounces") in made()  # it goes on from the first
    assert ("t2v", "a blue star spins") not in made()


def test_one_shot_is_made_again_and_the_others_are_taken(film, place):
    (place / "story.yaml").write_text(STORY.replace("seed: 7\n", ""))
    film("--scenes", place / "story.yaml")
    before = (place / "film.shots" / "shot-01.mkv").read_bytes()
    said = film("--scenes", place / "story.yaml", "--shot", 3)
    assert made() == [("t2v", "a blue star spins")]
    assert "shot 3: seed" in said.err
    assert (place / "film.shots" / "shot-01.mkv").read_bytes() == before
    film("--scenes", place / "story.yaml", "--shot", 1)
    assert made() == [STORY_PARTS[0], STORY_PARTS[2], STORY_PARTS[3], STORY_PARTS[4]]


def test_a_shot_that_was_edited_or_deleted_is_made_again(film, place):
    film("--scenes", place / "story.yaml")
    third = place / "film.shots" / "shot-03.mkv"
    third.write_bytes(third.read_bytes()[:-1] + b"x")
    film("--scenes", place / "story.yaml")
    assert made() == [("t2v", "a blue star spins")]
    third.unlink()
    film("--scenes", place / "story.yaml")
    assert made() == [("t2v", "a blue star spins")]


def test_other_weights_make_other_takes(film, place, model):
    film("--scenes", place / "story.yaml")
    (model / "v2a" / "transformer" / "weights.safetensors").write_text("trained further")
    film("--scenes", place / "story.yaml")
    assert made() == STORY_PARTS[3:]


def test_each_model_is_loaded_once(film, place):
    film("--scenes", place / "story.yaml")
    assert [command for command, _ in Fake.loads] == ["t2v", "i2v", "v2a"]
