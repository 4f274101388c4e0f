"""`kinora i2v`: flags, batches, receipts, and refusals before any model is loaded."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from apps import commands
from apps.i2v import cli
from apps.i2v.conditioning.keyframes import Keyframe
from apps.i2v.request import ImageToVideoRequest
from foundation.rerun import rerun
from shared.console import run
from shared.errors import InputError
from shared.receipts import read_receipt

PROMPT = "a red circle moves right"


def drawn(folder, name="cat.png", size=(32, 32), seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(folder / name)
    return folder / name


def i2v(*argv):
    cli.main([str(word) for word in argv])


@pytest.fixture
def folder(i2v_folder):
    return "--model", str(i2v_folder), "--device", "cpu", "--steps", "1"


def printed(capsys):
    return [Path(line) for line in capsys.readouterr().out.split()]


def test_a_picture_becomes_a_clip_whose_receipt_names_it(tmp_path, capsys, folder):
    picture, last = drawn(tmp_path), drawn(tmp_path, "dog.png", seed=1)
    i2v("--image", picture, "--last-image", last, "--prompt", PROMPT, "--out", tmp_path / "clip.mkv", *folder)
    assert printed(capsys) == [tmp_path / "clip.mkv"]
    receipt = read_receipt(tmp_path / "clip.mkv")
    assert receipt["command"] == "i2v"
    assert receipt["request"]["size"] == "32x32"
    assert {name: entry["name"] for name, entry in receipt["details"]["inputs"].items()} == {
        "image": "cat.png",
        "last_image": "dog.png",
    }
    assert str(tmp_path) not in str(receipt)


def test_a_clip_is_made_again_from_its_receipt_as_long_as_its_pictures_are_here(tmp_path, capsys, folder):
    picture, middle = drawn(tmp_path), drawn(tmp_path, "dog.png", seed=5)
    clip = tmp_path / "clip.mkv"
    more = "--keyframe", f"4={middle}", "--frames", "9", "--loop"
    i2v("--image", picture, "--prompt", PROMPT, "--out", clip, *more, *folder)
    capsys.readouterr()
    remakers = commands.remakers()
    rerun.main(["--model", folder[1], str(clip)], remakers)
    assert "bit for bit" in capsys.readouterr().out
    moved = middle.rename(tmp_path / "moved.png")
    rerun.main(["--model", folder[1], "--input", str(moved), str(clip)], remakers)
    moved.unlink()
    with pytest.raises(InputError, match=r"keyframe 4.*is not here.*name it with --input"):
        rerun.main(["--model", folder[1], str(clip)], remakers)


def test_a_folder_of_pictures_makes_a_clip_of_each(tmp_path, capsys, folder):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    drawn(pictures, "a.png"), drawn(pictures, "b.jpg", size=(60, 36), seed=1)
    i2v("--image", pictures, "--prompt", PROMPT, "--out", tmp_path / "made", *folder)
    first, second = (read_receipt(path)["picture"] for path in printed(capsys))
    assert first["width"] == first["height"]
    assert second["width"] > second["height"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((), "a picture is missing"),
        (("--last-image", "x.png"), "needs a first image"),
        (("--image", "x.png"), "x.png is missing"),
        (("--image", "{cat}", "--keyframe", "4={cat}", "--keyframe", "4={cat}"), "keyframe 4 is given twice"),
        (
            ("--image", "{cat}", "--keyframe", "5={cat}", "--keyframe", "7={cat}"),
            "keyframes 5 and 7 fall together",
        ),
        (("--image", "{cat}", "--keyframe", "9={cat}", "--frames", "9"), "keyframe 9 is beyond the clip"),
        (("--image", "{cat}", "--keyframe", "cat"), "FRAME=FILE"),
        (("--image", "{cat}", "--loop", "--last-image", "{cat}"), "not both"),
        (("--image", "{cat}", "--frames", "1"), "frames must be 5 or more"),
        (("--image", "{text}"), "cannot be read as a picture"),
        (("--image", "{thread}"), "20000x10"),
        (("--image", "{cat}", "--last-imag", "{cat}"), "did you mean --last-image"),
    ],
)
def test_bad_input_is_one_line_and_costs_no_model(tmp_path, capsys, flags, words, monkeypatch):
    monkeypatch.setitem(sys.modules, "apps.i2v.pipeline", None)
    (tmp_path / "text.png").write_text("no picture")
    drawn(tmp_path, "thread.png", size=(20000, 10))
    files = {name: tmp_path / f"{name}.png" for name in ("text", "thread")} | {"cat": drawn(tmp_path)}
    argv = ["--prompt", PROMPT, "--out", str(tmp_path), *(flag.format(**files) for flag in flags)]
    assert run(cli.main, argv) == 2
    error = capsys.readouterr().err.strip()
    assert words in error
    assert "\n" not in error


def test_a_request_with_pictures_reads_its_own_flags():
    request = ImageToVideoRequest(prompt=PROMPT, image="cat.png", keyframe=["4=dog.png"])
    assert request.keyframe == (Keyframe(4, Path("dog.png")),)
