"""A film of tiny weights: words, pictures and sounds made, shown, verified, and made again bit for bit."""

import shutil

import numpy as np
import pytest
from tiny_folders import model_folder, starter_folder
from tiny_picture_folder import i2v_folder
from tiny_sound_folder import sound_folder

from apps import commands
from apps.film import cli
from foundation.rerun import rerun
from shared import receipts
from shared.errors import CheckFailed, InputError
from shared.media.sound import Sound
from shared.results import Clip, read_clip
from shared.results.soundtrack import Soundtrack

__all__ = ["i2v_folder", "model_folder", "sound_folder", "starter_folder"]

STORY = """
size: 32x32
frames: 5
shots:
  - prompt: a red circle
    sound: a wooden ball
    seed: 1
  - prompt: it bounces
    first: before
    seed: 2
  - clip: intro.mp4
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory, model_folder, i2v_folder, sound_folder):
    """A film, on a machine where its models have names."""
    home, folder = tmp_path_factory.mktemp("models"), tmp_path_factory.mktemp("film")
    shutil.copytree(model_folder, home / "house" / "words")
    shutil.copytree(sound_folder / "v2a", home / "house" / "words" / "v2a")
    shutil.copytree(i2v_folder, home / "house" / "pictures")
    frames = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    tone = np.sin(np.arange(8_000) / 6).astype(np.float32)[None]
    silent = Clip(frames, 8.0).save(folder / "silent.mp4")
    Soundtrack(Sound(tone, 16_000), silent).save(folder / "intro.mp4")
    (folder / "story.yaml").write_text(STORY)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("KINORA_MODELS", str(home))
        patched.setenv("KINORA_CACHE", str(tmp_path_factory.mktemp("cache")))
        models = ["--model=house/words", "--image-model=house/pictures", "--sound-model=house/words"]
        cli.main(
            [f"--scenes={folder / 'story.yaml'}", f"--out={folder / 'film.mp4'}", "--device=cpu", *models]
        )
        yield folder


def again(*argv):
    rerun.main([str(word) for word in argv], commands.remakers())


def test_a_film_of_words_pictures_and_clips_is_as_it_was_written(made):
    receipt = receipts.read_receipt(made / "film.mp4")
    assert receipts.verify(made / "film.mp4").holds
    assert receipt["picture"]["frames"] == 5 + 5 + 4
    kinds = [(shot["picture"].get("command"), bool(shot["sound"])) for shot in receipt["details"]["shots"]]
    assert kinds == [("t2v", True), ("i2v", True), (None, True)]
    assert {name.split("/")[0] for name in receipt["weights_sha256"]} == {"t2v", "i2v", "v2a"}


def test_every_pixel_and_sample_comes_out_again(made, tmp_path, capsys):
    again(made / "film.mp4", "--out", tmp_path / "again.mp4")
    assert "bit for bit" in capsys.readouterr().out
    first, second = (receipts.read_receipt(path) for path in (made / "film.mp4", tmp_path / "again.mp4"))
    for key in ("raw_frames_sha256", "raw_samples_sha256", "request", "weights_sha256"):
        assert first[key] == second[key]
    shutil.rmtree(made / "film.shots")
    again(tmp_path / "again.mp4")  # what was made again can be made again, and needs nothing beside it


def test_a_film_whose_samples_are_said_to_be_others_does_not_pass(made, tmp_path):
    receipt = receipts.read_receipt(made / "film.mp4")
    told = {key: receipt[key] for key in ("command", "request", "runtime", "seed", "weights_sha256")}
    clip = read_clip(made / "film.mp4")
    silence = Sound(np.zeros((1, receipt["sound"]["samples"]), np.float32), receipt["sound"]["sample_rate"])
    other = Clip(clip.frames, clip.fps, {**told, "shots": receipt["details"]["shots"]}, silence)
    other.save(tmp_path / "other.mp4")
    with pytest.raises(CheckFailed, match="not bit for bit"):
        again(tmp_path / "other.mp4")


def test_a_clip_that_is_gone_is_named(made, tmp_path):
    (made / "intro.mp4").rename(made / "moved.mp4")
    with pytest.raises(InputError, match=r"clip.*is not here.*name it with --input"):
        again(made / "film.mp4")
    again(made / "film.mp4", "--input", made / "moved.mp4")
