"""What `kinora film` takes and refuses."""

import pytest

from apps.film import FilmRequest
from shared.config import from_mapping, settings, to_mapping
from shared.errors import InputError


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "give either a prompt or scenes"),
        ({"prompt": "a", "scenes": "film.yaml"}, "not both"),
        ({"prompt": "  "}, "prompt is empty"),
        ({"prompt": "a", "shot": [1]}, "shot is about a scene file"),
        ({"scenes": "film.yaml", "shot": [0]}, "shot must be 1 to 64, not 0"),
        ({"scenes": "film.yaml", "image": "a.png"}, "the scene file says image"),
        ({"scenes": "film.yaml", "sound_prompt": "rain"}, "the scene file says sound_prompt"),
        ({"prompt": "a", "last_image": "a.png"}, "needs a first image"),
        ({"prompt": "a", "sound": "off", "sound_prompt": "rain"}, "nothing to hear"),
        ({"prompt": "a", "sound": "loud"}, "sound: wanted auto, on or off"),
        ({"prompt": "a", "frames": 18}, "the nearest are 17 and 21"),
        ({"prompt": "a", "loudness": 3}, "loudness must be"),
        ({"prompt": "a", "sceens": "film.yaml"}, "did you mean scenes?"),
    ],
)
def test_bad_input_is_named_with_what_would_be_right(given, words):
    with pytest.raises(InputError) as refusal:
        from_mapping(FilmRequest, given)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_request_survives_its_mapping():
    made = FilmRequest(prompt="a red circle", seed=7, sound="off", rewrite="master", size="96x64")
    assert from_mapping(FilmRequest, to_mapping(made)) == made


def test_every_setting_has_help_that_fits_a_line():
    for name, (_, about) in settings(FilmRequest).items():
        assert about.help, name
        assert len(about.help) < 100, name
