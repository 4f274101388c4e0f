"""Scene files: what they say, and that a stranger's does no harm."""

import time
from pathlib import Path

import numpy as np
import pytest

from apps.film.scene_file import LARGEST, read_scenes
from apps.film.scenes import Rules, Shot
from shared.config import Size
from shared.errors import InputError
from shared.media.picture import write_png

FILM = """
size: 96x64
seed: 7
seconds: 2
music: no
shots:
  - prompt: a red circle moves right on a gray background
    sound: a wooden ball rolls
  - prompt: it bounces
    first: before
    frames: 9
    sound: none
  - prompt: a blue star spins
    first: pictures/star.png
    seed: 11
"""


def written(folder, text):
    path = folder / "film.yaml"
    path.write_text(text) if isinstance(text, str) else path.write_bytes(text)
    return path


@pytest.fixture
def film(tmp_path):
    (tmp_path / "pictures").mkdir()
    write_png(np.zeros((16, 16, 3), np.uint8), tmp_path / "pictures" / "star.png")
    return written(tmp_path, FILM)


def test_a_scene_file_says_what_holds_for_all_shots_and_for_each(film):
    scenes = read_scenes(film)
    first, second, third = scenes.shots
    assert (scenes.size, scenes.seed, scenes.music) == (Size(96, 64), 7, False)
    assert first.sound == "a wooden ball rolls"
    assert second.follows and second.sound == "none"
    assert third.first == film.parent / "pictures" / "star.png" and third.seed == 11


def test_the_closest_rule_holds_and_a_length_is_one_rule():
    film, shot = Rules(seconds=2, steps=20, cfg=3.0), Shot(prompt="a", frames=9, steps=4)
    found = film.under(shot)
    assert (found["frames"], found["seconds"], found["steps"], found["cfg"]) == (9, None, 4, 3.0)


BILLION_LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdef", "bcdefg", strict=True)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a mapping of settings is wanted, not None"),
        ("- a\n- b", "a mapping of settings is wanted, not ["),
        ("just words", "a mapping of settings is wanted"),
        ("size: 64x64", "shots must be 1 to 64, not 0"),
        ("shot:\n- prompt: a", "unknown setting 'shot' (did you mean shots?)"),
        ("shots: a red circle", "a list of shots is wanted"),
        ("shots: [a red circle]", "shot 1: a mapping of settings is wanted, not 'a red circle'"),
        ("shots: [{prompt: a}, {promt: b}]", "shot 2: unknown setting 'promt' (did you mean prompt?)"),
        ("shots: [{prompt: a, size: 64x64}]", "shot 1: unknown setting 'size'"),
        ("sizes: 64x64\nshots: [{prompt: a}]", "did you mean size?"),
        ("shots: [{1: a}]", "shot 1: a setting's name is wanted, not 1"),
        ("shots: [{prompt: a}, {seconds: 2}]", "shot 2: give either a prompt or a clip"),
        ("shots: [{prompt: yes}]", "prompt: wanted text, not True"),
        ("shots: [{prompt: ''}]", "prompt is empty"),
        ("shots: [{prompt: a, steps: 0}]", "steps must be 1 to 1000"),
        ("shots: [{prompt: a, seconds: soon}]", "seconds: wanted a finite number"),
        ("shots: [{prompt: a, first: before}]", "there is no shot before it"),
        ("shots: [{prompt: a, last: star.png}]", "a last frame needs a first frame"),
        ("shots: [{prompt: a, first: nowhere.png}]", "nowhere.png is missing"),
        ("shots: [{prompt: a, first: ../film.yaml/../../secret.png}]", "not in the scene file's folder"),
        ("shots: [{prompt: a, first: /etc/passwd}]", "not in the scene file's folder"),
        ("shots: [{prompt: a, first: link.png}]", "not in the scene file's folder"),
        ("shots: [{prompt: a, sound: keep}]", "only a clip does"),
        ("shots: [{clip: film.yaml, prompt: a}]", "not both"),
        ("shots: [{clip: film.yaml, frames: 9}]", "shot 1: a clip is there already: leave out frames"),
        (f"shots: [{', '.join(['{prompt: a}'] * 65)}]", "shots must be 1 to 64, not 65"),
        ("shots: [{prompt: a, prompt: b}]", "line 1: 'prompt' stands twice"),
        ("shots:\n- &one {prompt: a}\n- *one", "line 3: aliases are not read"),
        (BILLION_LAUGHS, "aliases are not read"),
        ("shots: [{prompt: a", "line 1: expected"),
        ("shots: !!python/object/apply:os.system [true]", "could not determine a constructor"),
        ("[" * 50_000, "nested too deeply"),
        (f"seed: 0x{'f' * 10_000}\nshots: [{{prompt: a}}]", "too long for a number"),
        (f"seed: {'9' * 10_000}\nshots: [{{prompt: a}}]", "too long for a number"),
        ("seed: !!int\nshots: [{prompt: a}]", "line 1: '' is no int"),
        ("seed: !!float x\nshots: [{prompt: a}]", "line 1: 'x' is no float"),
        ("seed: !!bool maybe\nshots: [{prompt: a}]", "line 1: 'maybe' is no bool"),
        ("seed: !!timestamp x\nshots: [{prompt: a}]", "line 1: 'x' is no timestamp"),
        ("seed: 2020-13-45\nshots: [{prompt: a}]", "line 1: '2020-13-45' is no timestamp"),
        ("x" * (LARGEST + 1), "more than 128 KB"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
        ("a: \x07", "is no scene file"),
    ],
)
def test_a_file_that_says_anything_else_is_refused_in_one_line(tmp_path, text, words):
    (tmp_path / "link.png").symlink_to("/etc/passwd")
    start = time.monotonic()
    with pytest.raises(InputError) as refusal:
        read_scenes(written(tmp_path, text))
    assert words in str(refusal.value)
    assert "film.yaml" in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert time.monotonic() - start < 5


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "nowhere.yaml", tmp_path):
        with pytest.raises(InputError, match=r"cannot be read"):
            read_scenes(Path(path))
