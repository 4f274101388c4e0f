import dataclasses
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.checkpoints.defaults import ModelDefaults, TrainedRange
from foundation.models.geometry import frames_for
from foundation.t2v.request import LARGEST_SEED, TextToVideoRequest, read_prompts, resolve
from shared.config import Size, from_argv, from_mapping, settings, to_mapping
from shared.errors import InputError

STARTER = ModelDefaults(fps=8, size=Size(64, 64), frames=17, steps=20, shift=3.0, cfg=4.0, guidance=None)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"prompt": ""}, "prompt is empty"),
        ({"prompt": " \t"}, "prompt is empty"),
        ({"prompt": "word " * 10_000}, "50000 characters (10000 words), at most 4000"),
        ({}, "give either prompt or prompts"),
        ({"prompt": "a", "prompts": "file"}, "not both"),
        ({"prompt": "a", "steps": 0}, "steps must be 1 to 1000, not 0"),
        ({"prompt": "a", "steps": 10**6}, "steps must be 1 to 1000"),
        ({"prompt": "a", "seed": -1}, "seed must be 0 to 9223372036854775807, not -1"),
        ({"prompt": "a", "seed": LARGEST_SEED + 1}, "seed must be"),
        ({"prompt": "a", "seed": LARGEST_SEED, "count": 2}, "leaves no room for 2 clips"),
        ({"prompt": "a", "seconds": "nan"}, "finite number"),
        ({"prompt": "a", "seconds": 0}, "seconds must be above 0"),
        ({"prompt": "a", "seconds": -2}, "seconds must be"),
        ({"prompt": "a", "seconds": 1e9}, "seconds must be"),
        ({"prompt": "a", "seconds": 2, "frames": 17}, "seconds or frames, not both"),
        ({"prompt": "a", "frames": 16}, "the nearest are 13 and 17"),
        ({"prompt": "a", "frames": 0}, "frames must be 1 to"),
        ({"prompt": "a", "size": "65x64"}, "the nearest is 64x64"),
        ({"prompt": "a", "size": "0x0"}, "the nearest is 16x16"),
        ({"prompt": "a", "size": "64x99999"}, "the nearest is 64x4096"),
        ({"prompt": "a", "count": 0}, "count must be 1 to 1000"),
        ({"prompt": "a", "device": "tpu"}, "device: wanted auto, cpu, cuda or mps"),
        ({"prompt": "a", "shift": 0}, "shift must be"),
        ({"prompt": "a", "model": " "}, "model must be"),
        ({"prompt": "a", "negative_prompt": "no " * 5000}, "negative_prompt has"),
        ({"prompt": "a", "sede": 3}, "did you mean seed?"),
    ],
)
def test_bad_input_is_named_with_what_would_be_right(given, words):
    with pytest.raises(InputError) as refusal:
        from_mapping(TextToVideoRequest, given)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_flags_and_mapping_and_python_make_the_same_request():
    argv = ["--prompt", "a", "--seed", "7", "--size", "96x64", "--seconds", "2", "--shift", "auto"]
    made = TextToVideoRequest(prompt="a", seed=7, size=Size(96, 64), seconds=2.0, shift="auto")
    assert from_argv(TextToVideoRequest, argv, "kinora t2v", "") == made
    assert from_mapping(TextToVideoRequest, to_mapping(made)) == made


def test_every_setting_has_help_that_fits_a_line():
    for name, (_, about) in settings(TextToVideoRequest).items():
        assert about.help, name
        assert len(about.help) < 100, name


def test_what_the_user_left_open_comes_from_the_model_folder():
    resolved, notes = resolve(TextToVideoRequest(prompt="a"), STARTER)
    assert (resolved.size, resolved.frames, resolved.steps) == (Size(64, 64), 17, 20)
    assert (resolved.shift, resolved.cfg, resolved.guidance) == (3.0, 4.0, None)
    assert notes == []


def test_what_the_user_gave_stays():
    asked = TextToVideoRequest(
        prompt="a", size=Size(32, 48), frames=5, steps=3, shift=1.0, cfg=0.0, guidance=2.0
    )
    assert resolve(asked, STARTER)[0] == asked


def test_seconds_become_the_nearest_frames_aloud():
    resolved, notes = resolve(TextToVideoRequest(prompt="a", seconds=2), STARTER)
    assert (resolved.frames, resolved.seconds) == (17, None)
    assert notes == ["2 seconds become 17 frames at 8 fps (2.125 seconds): frames come as 4k + 1"]


def test_seconds_that_fit_say_nothing():
    assert resolve(TextToVideoRequest(prompt="a", seconds=2.125), STARTER)[1] == []


@given(st.floats(0.01, 120), st.sampled_from([8, 16, 23.976, 24, 25, 30, 60]))
def test_no_other_number_of_frames_is_nearer(seconds, fps):
    frames = frames_for(seconds, fps)
    assert frames % 4 == 1
    distance = abs(frames - seconds * fps)
    assert distance <= abs(frames + 4 - seconds * fps) + 1e-9
    assert frames == 1 or distance <= abs(frames - 4 - seconds * fps) + 1e-9


def test_a_file_holds_one_prompt_per_line(tmp_path):
    file = tmp_path / "prompts.txt"
    file.write_bytes(b"\xef\xbb\xbfa red circle\r\n\n  a blue square \n\n")
    assert read_prompts(TextToVideoRequest(prompts=file)) == ["a red circle", "a blue square"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\n \n", "holds no prompt"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
        (b"a\n" + b"w " * 9000, "line 2 of"),
    ],
)
def test_a_file_of_prompts_that_cannot_be_used_is_named(tmp_path, content, words):
    file = tmp_path / "prompts.txt"
    file.write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_prompts(TextToVideoRequest(prompts=file))


def test_a_missing_file_of_prompts_is_named(tmp_path):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_prompts(TextToVideoRequest(prompts=tmp_path / "none.txt"))


def test_checking_a_request_imports_no_torch():
    script = (
        "import sys; from foundation.t2v.request import TextToVideoRequest\n"
        "TextToVideoRequest(prompt='a', size='64x64')\n"
        "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_prompt_of_a_file_may_hold_every_sign_but_a_newline(tmp_path):
    file = tmp_path / "prompts.txt"
    file.write_text("a red ball\u2028on grass\n\nsecond\u0085one\n", encoding="utf-8")
    prompts = read_prompts(TextToVideoRequest(prompts=file))
    assert [len(prompt.split()) for prompt in prompts] == [5, 2]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, []),
        ({"size": Size(80, 64)}, []),
        ({"size": Size(128, 128)}, ["size 128x128: the model was trained at 64x64"]),
        ({"frames": 49}, ["49 frames: the model was trained on 1 to 17"]),
        ({"size": Size(32, 32), "seconds": 6}, ["size 32x32", "49 frames"]),
    ],
)
def test_sizes_and_lengths_outside_of_training_are_named(asked, said):
    trained = TrainedRange(Size(64, 64), Size(64, 64), 1, 17)
    defaults = dataclasses.replace(STARTER, trained=trained)
    lines = [
        line for line in resolve(TextToVideoRequest(prompt="a", **asked), defaults)[1] if "trained" in line
    ]
    assert len(lines) == len(said)
    assert all(line.startswith(start) for line, start in zip(lines, said, strict=True))
