"""What `kinora film` refuses, in one line, with nothing half-written."""

import errno
import os

import numpy as np
import pytest
from fake_models import made

from apps.film import cli
from apps.film.rerun import remake_parts
from shared.console import run
from shared.errors import InputError
from shared.media.sound import Sound
from shared.results import Clip


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (
            ["--scenes", "{place}/story.yaml", "--shot", "4"],
            "shot 4 is missing: {place}/story.yaml has shots 1 to 3",
        ),
        (["--scenes", "{place}/nowhere.yaml"], "nowhere.yaml cannot be read"),
        (
            ["--scenes", "{place}/bad.yaml"],
            "bad.yaml, shot 2: frames must be 4k + 1, not 18; the nearest are 17 and 21",
        ),
        (["--scenes", "{place}/short.yaml"], "short.yaml, shot 2: frames must be 5 or more, not 1"),
        (["--scenes", "{place}/torn.yaml"], "{place}/torn.png cannot be read"),
        (["--scenes", "{place}/silent.yaml"], "silent.yaml, shot 1: sound keep"),
        (["a", "--image", "{place}/nowhere.png"], "nowhere.png is missing"),
        (["a", "--seconds", "100000"], "seconds must be"),
        (["a", "--size", "30x30"], "the nearest is 32x32"),
        (["a", "--model", "{place}/nowhere"], "is not here"),
        (["a", "--out", "{place}/film.gif"], "must end in .mp4 or .mkv"),
        (["a", "--out", "{place}/story.yaml/film.mp4"], "story.yaml"),
        (["a", "--sceens", "x"], "did you mean --scenes"),
        (["a", "b"], "unknown word 'b'"),
        (["a", "--lora", "{place}/nowhere.safetensors"], "nowhere.safetensors is missing"),
        (["a", "--rewrite", "master", "--rewrite-backend", "local"], "backend local needs model"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(place, model, capsys, argv, words):
    (place / "bad.yaml").write_text("shots: [{prompt: a}, {prompt: b, frames: 18}]")
    (place / "short.yaml").write_text("shots: [{prompt: a}, {prompt: b, first: before, frames: 1}]")
    (place / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    (place / "torn.yaml").write_text("shots: [{prompt: a, first: torn.png}]")
    (place / "silent.yaml").write_text("shots: [{clip: dumb.mkv, sound: keep}]")
    Clip(np.random.default_rng(0).integers(0, 256, (3, 16, 32, 3), np.uint8), 8.0).save(place / "dumb.mkv")
    before = sorted(place.rglob("*"))
    flags = ["--model", str(model), "--sound-model", str(model), "--out", str(place / "new.mp4")]
    asked = [word.format(place=place) for word in argv]
    flags = [
        word
        for flag, value in zip(flags[::2], flags[1::2], strict=True)
        if flag not in asked
        for word in (flag, value)
    ]
    assert run(cli.main, [*asked, *flags]) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert len(said) == 1 and words.format(place=place) in said[0]
    assert sorted(place.rglob("*")) == before
    assert made() == []


def test_a_full_disk_is_named_and_nothing_is_half_written(place, model, monkeypatch, capsys):
    from shared.media import files

    real = files._flush

    def flush(path):
        if path.name == "shot-03.mkv":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path)

    monkeypatch.setattr(files, "_flush", flush)
    flags = ["--model", str(model), "--sound-model", str(model), "--out", str(place / "film.mp4")]
    assert run(cli.main, ["--scenes", str(place / "story.yaml"), *flags]) == 2
    said = capsys.readouterr().err
    assert "No space left on device" in said and "1 of 5 parts are kept" in said
    assert [file.name for file in (place / "film.shots").iterdir()] == ["shot-01.mkv"]
    assert not (place / "film.mp4").exists()


def test_a_clip_and_its_sound_must_last_as_long():
    frames = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), np.uint8)
    Clip(frames, 8.0, sound=Sound(np.zeros((1, 14_001), np.float32), 16_000))
    with pytest.raises(InputError, match=r"the sound lasts 0.500 s and the frames 1.000 s"):
        Clip(frames, 8.0, sound=Sound(np.zeros((1, 8_000), np.float32), 16_000))


def test_a_format_without_sound_refuses_one(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), np.uint8)
    clip = Clip(frames, 8.0, sound=Sound(np.zeros((1, 16_000), np.float32), 16_000))
    with pytest.raises(InputError, match=r"holds no sound.*\.mp4 or \.mkv do"):
        clip.save(tmp_path / "clip.gif")


@pytest.mark.parametrize(
    "shots",
    [
        None,
        [],
        [1],
        [{"picture": {}}],
        [{"picture": {}, "sound": None, "more": 1}],
        [{"picture": {}, "sound": None, "before": True}],
        [{"picture": {"command": "t2v"}, "sound": None}],
        [{"picture": {"file_sha256": "0" * 64}, "sound": None}],
        [{"picture": {"command": "film", "request": {}, "seed": 0, "weights_sha256": {}}, "sound": None}],
    ],
)
def test_a_strangers_receipt_is_refused(shots):
    with pytest.raises(InputError):
        remake_parts({"details": {"shots": shots}}, lambda *_: pytest.fail("nothing is made"))
