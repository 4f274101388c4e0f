"""`kinora film`: shots and sounds become one file."""

import dataclasses
import shlex
import subprocess
import sys
from contextlib import ExitStack, nullcontext
from fractions import Fraction

import av
import numpy as np
import pytest
from fake_models import SOUND_STEPS, STEPS, STORY, STORY_PARTS, Fake, made

from apps.film import FilmRequest, cli, run
from apps.film.plan import plan
from foundation.runtime.host import Host, Watcher
from shared import receipts
from shared.errors import WeightsError
from shared.media import read_sound
from shared.media.picture import write_png
from shared.media.sound import Sound
from shared.results import Clip, read_clip
from shared.results.soundtrack import Soundtrack


def test_a_sentence_becomes_a_film_with_its_sound_and_receipt(film, place):
    said = film("a red circle moves right", "--seed", 3, "--sound-prompt", "it rolls")
    path = place / "film.mp4"
    assert said.out == f"{path}\n"
    receipt = receipts.read_receipt(path)
    assert receipts.verify(path).holds
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


def test_films_made_at_once_have_names_of_their_own(place, model):
    asked = FilmRequest(prompt="a red circle", seed=3, out=place / "films", model=str(model), sound="off")
    with ExitStack() as held:
        films = [plan(asked, held) for _ in range(2)]
        assert [one.place.name for one in films] == ["a-red-circle-seed3.mp4", "a-red-circle-seed3-2.mp4"]
        assert films[0].shots_folder != films[1].shots_folder
    assert not (place / "films").exists()


def test_a_film_that_was_not_finished_goes_on_under_its_name(film, place, monkeypatch):
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(run, "_join", fail_with(KeyboardInterrupt()))
        film("a red circle", "--seed", 3, out="films")
    assert not (place / "films" / "a-red-circle-seed3.mp4").exists()
    assert film("a red circle", "--seed", 3, out="films").out.endswith("a-red-circle-seed3.mp4\n")
    assert made() == []


def fail_with(error):
    def command(*words):
        raise error

    return command


def test_shots_become_one_film_and_picture_and_sound_agree_to_the_sample(film, place):
    film("--scenes", place / "story.yaml")
    assert made() == STORY_PARTS
    clip = read_clip(place / "film.mp4")
    assert len(clip.frames) == 5 + 9 + 5
    receipt = receipts.read_receipt(place / "film.mp4")
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
    of_shots = [receipts.read_receipt(file) for file in files]
    assert [receipt["command"] for receipt in of_shots] == ["t2v", "i2v", "t2v"]
    assert [receipt["seed"] for receipt in of_shots] == [7, 8, 9]
    frames = np.concatenate([read_clip(file).frames for file in files])
    film_frames = receipts.read_receipt(place / "film.mp4")["raw_frames_sha256"]
    assert Clip(frames, 8.0).save(place / "check.mkv")
    assert receipts.read_receipt(place / "check.mkv")["raw_frames_sha256"] == film_frames


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
    assert run.make(request(place, model), host) == host.results == [place / "film.mp4"]
    total = 3 * STEPS + 2 * SOUND_STEPS
    assert host.runs == [("film", total)]
    assert host.steps == [(index, total) for index in range(total)]
    details = receipts.read_receipt(place / "film.mp4")["details"]
    assert details["job"] == "42"
    host = Watching()
    run.make(request(place, model, shot=(3,)), host)
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
    assert made() == STORY_PARTS[2:]
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

    monkeypatch.setattr(run, "rewrite_all", rewrite)
    film("--scenes", place / "story.yaml", "--rewrite", "normal")
    assert ("i2v", "it bounces, in full") in made()
    shots = receipts.read_receipt(place / "film.mp4")["details"]["shots"]
    assert shots[1]["picture"]["details"]["rewrite"] == {"original": "it bounces"}
    film("--scenes", place / "story.yaml", "--rewrite", "normal")
    assert made() == []


def test_a_film_without_sound_has_no_track(film, place):
    film("--scenes", place / "story.yaml", "--sound", "off")
    with av.open(str(place / "film.mp4")) as container:
        assert not container.streams.audio
    assert "sound" not in receipts.read_receipt(place / "film.mp4")


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
    receipt = receipts.read_receipt(place / "film.mp4")
    assert receipt["sound"]["sample_rate"] == 44_100 and receipt["sound"]["channels"] == 2
    assert receipt["sound"]["samples"] == round(15 / 8 * 44_100)
    film("--scenes", place / "story.yaml")
    assert made() == []


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
    receipt = receipts.read_receipt(place / "film.mp4")
    assert receipt["details"]["inputs"]["image"]["name"] == "cat.png"
