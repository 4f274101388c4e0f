"""`kinora film`: shots, sounds, what is taken as it is, and what is refused."""

import dataclasses
import errno
import os
import shlex
import subprocess
import sys
from contextlib import nullcontext
from fractions import Fraction

import av
import numpy as np
import pytest
from fake_models import SOUND_STEPS, STEPS, Fake, install, write_model, write_sound_model

from apps.film import FilmRequest, cli, making
from apps.film.again import remake_parts
from foundation.host import Host, Watcher
from shared import provenance
from shared.console import run
from shared.errors import InputError, WeightsError
from shared.media import Clip, read_clip, read_sound
from shared.media.picture import write_png
from shared.media.sound import Sound
from shared.media.soundtrack import Soundtrack

STORY = """
seed: 7
shots:
  - prompt: a red circle moves right
    sound: a wooden ball rolls
  - prompt: it bounces
    first: before
    frames: 9
  - prompt: a blue star spins
    sound: none
"""


@pytest.fixture(autouse=True)
def fakes(monkeypatch):
    install(monkeypatch)


@pytest.fixture
def model(tmp_path):
    return write_sound_model(write_model(tmp_path / "model"))


@pytest.fixture
def place(tmp_path):
    (tmp_path / "story.yaml").write_text(STORY)
    return tmp_path


@pytest.fixture
def film(place, model, capsys):
    """Runs the command; gives what was printed, and what the models were asked for."""

    def make(*argv, out="film.mp4"):
        Fake.calls.clear(), Fake.loads.clear()
        flags = ["--model", str(model), "--sound-model", str(model)]
        cli.main([*map(str, argv), "--out", str(place / out), *flags])
        return capsys.readouterr()

    return make


def made():
    return [(command, prompt) for command, prompt, _ in Fake.calls]


ALL = [
    ("t2v", "a red circle moves right"),
    ("t2v", "a blue star spins"),
    ("i2v", "it bounces"),
    ("v2a", "a wooden ball rolls"),
    ("v2a", ""),
]


def test_a_sentence_becomes_a_film_with_its_sound_and_receipt(film, place):
    said = film("a red circle moves right", "--seed", 3, "--sound-prompt", "it rolls")
    path = place / "film.mp4"
    assert said.out == f"{path}\n"
    receipt = provenance.read_receipt(path)
    assert provenance.verify(path).holds
    assert (receipt["command"], receipt["seed"]) == ("film", 3)
    assert receipt["request"]["prompt"] == "a red circle moves right"
    (shot,) = receipt["details"]["shots"]
    assert (shot["picture"]["command"], shot["sound"]["command"]) == ("t2v", "v2a")
    assert str(place / "film") not in str(receipt)
    assert read_clip(path).frames.shape == (5, 16, 32, 3)
    assert sorted(file.name for file in (place / "film.shots").iterdir()) == ["shot-01.mkv", "shot-01.wav"]


def test_a_film_in_a_folder_is_named_by_its_sentence_and_seed(film, place):
    said = film("a red circle", "--seed", 3, out="films")
    assert said.out == f"{place / 'films' / 'a-red-circle-seed3.mp4'}\n"
    assert film("a red circle", "--seed", 3, out="films").out.endswith("a-red-circle-seed3-2.mp4\n")


def test_shots_become_one_film_and_picture_and_sound_agree_to_the_sample(film, place):
    film("--scenes", place / "story.yaml")
    assert made() == ALL
    clip = read_clip(place / "film.mp4")
    assert len(clip.frames) == 5 + 9 + 5
    receipt = provenance.read_receipt(place / "film.mp4")
    assert receipt["sound"] == {"channels": 1, "samples": round(19 / 8 * 16_000), "sample_rate": 16_000}
    with av.open(str(place / "film.mp4")) as container:
        track = container.streams.audio[0]
        assert track.duration * track.time_base == Fraction(19, 8)
    heard = read_sound(place / "film.mp4").waveform[0]
    edge = round(14 / 8 * 16_000)
    assert np.abs(heard[: edge - 4096]).mean() > 0.1
    assert np.abs(heard[edge + 4096 :]).max() < 1e-3  # the last shot is silent


def test_each_shot_is_a_clip_with_a_receipt_of_its_own(film, place):
    film("--scenes", place / "story.yaml")
    files = [place / "film.shots" / f"shot-{number:02}.mkv" for number in (1, 2, 3)]
    receipts = [provenance.read_receipt(file) for file in files]
    assert [receipt["command"] for receipt in receipts] == ["t2v", "i2v", "t2v"]
    assert [receipt["seed"] for receipt in receipts] == [7, 8, 9]
    frames = np.concatenate([read_clip(file).frames for file in files])
    film_frames = provenance.read_receipt(place / "film.mp4")["raw_frames_sha256"]
    assert Clip(frames, 8.0).save(place / "check.mkv")
    assert provenance.read_receipt(place / "check.mkv")["raw_frames_sha256"] == film_frames


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
    assert made() == [ALL[0], ALL[2], ALL[3], ALL[4]]


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
    assert made() == ALL[3:]


def test_each_model_is_loaded_once(film, place):
    film("--scenes", place / "story.yaml")
    assert [command for command, _ in Fake.loads] == ["t2v", "i2v", "v2a"]


class Watching(Host):
    """Remembers what it was told."""

    about = {"job": "42"}  # noqa: RUF012

    def __init__(self):
        self.runs, self.steps, self.results = [], [], []

    def sampling(self, total, label):
        self.runs.append((label, total))
        return nullcontext(Watcher(lambda step, *_: self.steps.append((step.index, step.total))))

    def made(self, path):
        self.results.append(path)


def request(place, model, **settings):
    made = FilmRequest(
        scenes=place / "story.yaml", out=place / "film.mp4", model=str(model), sound_model=str(model)
    )
    return dataclasses.replace(made, **settings)


def test_a_film_is_one_run_with_one_result_to_its_host(place, model):
    host = Watching()
    assert making.make(request(place, model), host) == host.results == [place / "film.mp4"]
    total = 3 * STEPS + 2 * SOUND_STEPS
    assert host.runs == [("film", total)]
    assert host.steps == [(index, total) for index in range(total)]
    details = provenance.read_receipt(place / "film.mp4")["details"]
    assert details["job"] == "42"
    host = Watching()
    making.make(request(place, model, shot=(3,)), host)
    assert host.runs == [("film", STEPS)]


def test_a_film_that_breaks_keeps_what_was_made_and_says_how_to_go_on(film, place, capsys):
    (place / "story.yaml").write_text(STORY.replace("it bounces", "it is broken"))
    with pytest.raises(RuntimeError, match="broke"):
        film("--scenes", place / "story.yaml", "--cfg", 3)
    said = capsys.readouterr().err
    assert not (place / "film.mp4").exists()
    assert "2 of 5 parts are kept" in said and "shot-01.mkv, shot-03.mkv" in said
    (place / "story.yaml").write_text(STORY)
    (line,) = [line for line in said.splitlines() if "to go on from there" in line]
    words = shlex.split(line.split("kinora film ")[1])
    Fake.calls.clear()
    cli.main(words)
    assert made() == ALL[2:]
    assert (place / "film.mp4").exists()


def test_a_drawn_seed_stands_in_the_command_that_goes_on(film, place, capsys):
    with pytest.raises(RuntimeError):
        film("a red circle", "--sound-prompt", "broken", out="films")
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert "--sound-prompt=broken" in line
    words = shlex.split(line.split("kinora film ")[1].replace("broken", "rolling"))
    Fake.calls.clear()
    cli.main(words)
    assert made() == [("v2a", "rolling")]


def test_prompts_are_rewritten_before_anything_is_loaded(film, place, monkeypatch):
    def rewrite(prompts, settings):
        assert Fake.loads == []
        return [(f"{prompt}, in full", {"rewrite": {"original": prompt}}) for prompt in prompts]

    monkeypatch.setattr(making, "rewrite_all", rewrite)
    film("--scenes", place / "story.yaml", "--rewrite", "normal")
    assert ("i2v", "it bounces, in full") in made()
    shots = provenance.read_receipt(place / "film.mp4")["details"]["shots"]
    assert shots[1]["picture"]["details"]["rewrite"] == {"original": "it bounces"}
    film("--scenes", place / "story.yaml", "--rewrite", "normal")
    assert made() == []


def test_a_film_without_sound_has_no_track(film, place):
    film("--scenes", place / "story.yaml", "--sound", "off")
    with av.open(str(place / "film.mp4")) as container:
        assert not container.streams.audio
    assert "sound" not in provenance.read_receipt(place / "film.mp4")


def test_missing_sound_weights_are_named_and_only_an_asked_for_sound_waits_for_them(film, place, model):
    (model / "v2a").rename(model / "gone")
    said = film("a red circle moves right", "--seed", 1)
    assert "no sound: " in said.err and "has no video-to-audio weights" in said.err
    for asked in (["a red circle", "--sound", "on"], ["a red circle", "--sound-prompt", "it rolls"]):
        with pytest.raises(
            WeightsError, match=r"no video-to-audio weights.*--sound off makes the film without"
        ):
            film(*asked, out="other.mp4")
    with pytest.raises(WeightsError, match="--sound off"):
        film("--scenes", place / "story.yaml", out="other.mp4")
    assert made() == []


def test_rules_of_the_sound_reach_the_model(film, place):
    film("--scenes", place / "story.yaml", "--no-music", "--loudness", -30)
    told = [settings for command, _, settings in Fake.calls if command == "v2a"]
    assert [(one["music"], one["voice"], one["loudness"], one["seed"]) for one in told] == [
        (False, True, -30.0, 7),
        (False, True, -30.0, 8),
    ]


def intro(folder, name="intro.mkv"):
    """A clip of another size and rate, with a stereo sound."""
    frames = np.zeros((30, 48, 48, 3), np.uint8)
    frames += np.arange(30, dtype=np.uint8)[:, None, None, None] * 8
    frames[:, 0] = 255
    silent = Clip(frames, 24.0).save(folder / f"silent-{name}")
    tone = np.sin(2 * np.pi * 440 * np.arange(round(1.25 * 44_100)) / 44_100).astype(np.float32) / 2
    return Soundtrack(Sound(np.stack([tone, tone]), 44_100), silent).save(folder / name)


def test_a_clip_that_is_there_is_a_shot_with_its_own_sound(film, place):
    intro(place)
    (place / "story.yaml").write_text(
        "size: 32x32\nshots:\n- clip: intro.mkv\n- {prompt: a red circle, sound: it rolls, seed: 1}\n"
    )
    said = film("--scenes", place / "story.yaml")
    assert made() == [("t2v", "a red circle"), ("v2a", "it rolls")]
    assert "48x48 is brought to 32x32" in said.err and "24 fps become 8" in said.err
    clip = read_clip(place / "film.shots" / "shot-01.mkv")
    assert clip.frames.shape == (10, 32, 32, 3)
    assert [int(frame[16, 16, 0]) for frame in clip.frames[:3]] == [0, 24, 48]  # every third frame
    receipt = provenance.read_receipt(place / "film.mp4")
    assert receipt["sound"]["sample_rate"] == 44_100 and receipt["sound"]["channels"] == 2
    assert receipt["sound"]["samples"] == round(15 / 8 * 44_100)
    film("--scenes", place / "story.yaml")
    assert made() == []


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


def test_help_waits_for_no_heavy_module():
    script = (
        "import sys; from apps.film.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\nprint('MODULES', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split("MODULES")[1].split()) & {
        "torch",
        "numpy",
        "diffusers",
        "av",
        "PIL",
        "yaml",
    }


def test_pictures_of_a_one_sentence_film(film, place):
    write_png(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8), place / "cat.png")
    film("the cat sleeps", "--image", place / "cat.png", "--seed", 2)
    assert made() == [("i2v", "the cat sleeps"), ("v2a", "")]
    receipt = provenance.read_receipt(place / "film.mp4")
    assert receipt["details"]["inputs"]["image"]["name"] == "cat.png"
