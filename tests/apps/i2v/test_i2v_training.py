"""What image-to-video is trained on: the same channels that the pipeline fills, from caches of clips and stills."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from apps.i2v import ImageToVideoPipeline
from apps.i2v.conditioning.channels import keyframe_channels
from apps.i2v.data import CONTINUED, GivenPictures, picture_samples
from apps.i2v.training import i2v
from apps.i2v.training.config import PatternShares, People
from apps.i2v.training.people import PersonCounter, Persons, check_people, people_filter
from apps.i2v.training.recipe import started
from foundation.checkpoints.loading import load_model
from foundation.data.encoding import encode_clips, encode_stills
from foundation.data.flow_batch import EncodedClip
from foundation.data.folder.buckets import Bucket
from foundation.training.config import Stage, Toybox, Training, Worlds
from foundation.training.flow import Encoders, FlowObjective
from shared.errors import ConfigError, InputError, WeightsError
from shared.media.video import encode
from shared.toybox.mix import toy_clip

STAGE = Stage(steps=2, batch_size=2, frames=9, width=32, height=32)
WINDOW = 3


@pytest.fixture(scope="module")
def pipe(i2v_folder):
    return ImageToVideoPipeline.from_pretrained(str(i2v_folder), device="cpu")


@pytest.fixture(scope="module")
def encoders(model_folder):
    return Encoders.load(model_folder)


@pytest.fixture
def recipe(model_folder, tmp_path, monkeypatch):
    """Settings of a run on four clips, two of which are longer."""
    monkeypatch.setenv("KINORA_CACHE", str(tmp_path / "kinora"))

    def make(**changes):
        return i2v.Config(
            base=str(model_folder),
            cache=str(tmp_path / "cache"),
            toybox=Toybox(worlds=Worlds(scenes=3), variants=1),
            patterns=PatternShares(first=1, both_ends=1, keyframes=1, continued=1),
            training=Training(output=str(tmp_path / "run"), precision="no", warmup=1),
            stages={"clips": STAGE},
            longer=4,
            **changes,
        )

    return make


def generators(count):
    return [np.random.default_rng(index) for index in range(count)]


@pytest.mark.parametrize(
    "shares", [PatternShares(1, 0, 0, 0), PatternShares(0, 1, 0, 0), PatternShares(0, 0, 1, 0)]
)
def test_training_gives_pictures_as_the_pipeline_does(pipe, shares):
    frames = toy_clip(0, "scenes", frames=9, size=32).frames
    clip = EncodedClip(encode_clips([frames], pipe.vae)[0], encode_stills([frames], pipe.vae)[0])
    latents, told = GivenPictures(shares, WINDOW)(clip, np.random.default_rng(3))
    assert torch.equal(latents, clip.latents)
    given = told["channels"][-1, :, 0, 0].nonzero().flatten().tolist()
    assert given in ([0], [0, 2]) or shares.keyframes
    expected = keyframe_channels({at: pipe.encode_picture(frames[4 * at]) for at in given}, WINDOW)[0]
    torch.testing.assert_close(told["channels"].float(), expected, atol=0.03, rtol=0.03)


def test_training_continues_windows_as_the_pipeline_does(pipe):
    frames = toy_clip(0, "scenes", frames=17, size=32).frames
    clip = EncodedClip(encode_clips([frames], pipe.vae)[0])
    conditions = GivenPictures(CONTINUED, WINDOW)
    assert not conditions.stills  # a cache that nobody reads is not made
    for generator in generators(5):
        window, told = conditions(clip, generator)
        count = int(told["channels"][-1, :, 0, 0].sum())
        (start,) = [at for at in (1, 2) if torch.equal(window, clip.latents[:, at : at + WINDOW])]
        given = {at: clip.latents[None, :, start + at, None] for at in range(count)}
        assert torch.equal(told["channels"], keyframe_channels(given, WINDOW)[0])


def test_toybox_batches_hold_windows_of_one_length_from_clips_of_two(recipe, encoders):
    samples = picture_samples(recipe(), encoders, STAGE)
    assert len(samples) == 4  # three clips, and a third as many longer ones
    order = samples.order(0)
    assert order.scales == (1.0, 1.0)
    for ids in ([0, 2], [3]):
        batch = samples.batch(ids, generators(len(ids)))
        assert batch["latents"].shape == (len(ids), 4, WINDOW, 4, 4)
        assert batch["channels"].shape == (len(ids), 5, WINDOW, 4, 4)


def test_a_folder_of_clips_gives_windows_too_and_leaves_pictures_out(recipe, encoders, tmp_path, capsys):
    folder = tmp_path / "clips"
    folder.mkdir()
    for seed, frames in ((0, 13), (1, 9)):
        clip = toy_clip(seed, "scenes", frames=frames, size=32)
        encode(clip.frames, 8.0, folder / f"{seed}.mkv")
        (folder / f"{seed}.txt").write_text(clip.caption)
    from PIL import Image

    Image.fromarray(clip.frames[0]).save(folder / "still.png")
    (folder / "still.txt").write_text(clip.caption)
    samples = picture_samples(recipe(data=str(folder)), encoders, STAGE)
    assert "still.png  a picture: image-to-video is trained on clips" in capsys.readouterr().err
    assert len(samples) == 2
    assert samples.order(0).scales == (1.0, 1.0)  # what is trained on of both costs the same
    for index in range(2):
        assert samples.batch([index], generators(1))["channels"].shape == (1, 5, WINDOW, 4, 4)


@torch.no_grad()
def test_training_starts_as_the_text_to_video_model_bit_for_bit(recipe, encoders, model_folder):
    batch = picture_samples(recipe(), encoders, STAGE).batch([0, 1], generators(2))
    model, _, widened = started(recipe())
    assert widened
    assert model.config.in_channels == 9
    before = load_model(type(model), model_folder / "transformer", torch.float32)
    text = {name: value for name, value in batch.items() if name != "channels"}
    assert torch.equal(FlowObjective(model)(batch)[0], FlowObjective(before)(text)[0])


def test_weights_that_take_pictures_already_are_trained_as_they_are(recipe, i2v_folder):
    model, _, widened = started(recipe(start=str(i2v_folder)))
    assert not widened
    assert model.x_embedder.proj.weight[:, 4:].abs().sum() > 0


def test_released_weights_are_refused(recipe, i2v_folder, tmp_path):
    released = tmp_path / "released"
    released.mkdir()
    for part in i2v_folder.iterdir():
        if part.name != "app.json":
            (released / part.name).symlink_to(part)
    with pytest.raises(ConfigError, match="first picture alone: start from text-to-video"):
        started(recipe(start=str(released)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"longer": 6}, "longer is 6"),
        ({"stages": {"clips": replace(STAGE, frames=1)}}, "stages.clips.frames is 1; 5 or more"),
        ({"stages": {}}, "no stage has any steps"),
    ],
)
def test_settings_that_cannot_be_trained_are_refused(recipe, changes, words):
    with pytest.raises(ConfigError, match=words):
        i2v.run(replace(recipe(), **changes))


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (Persons(0, 0.0), "no person is seen"),
        (Persons(6, 0.9), "6 persons are seen, at most 5"),
        (Persons(1, 0.2), "takes 20% of the height, at least 30%"),
    ],
)
def test_crowds_and_small_people_are_left_out(seen, words):
    check_people(Persons(5, 0.3), People())
    with pytest.raises(InputError, match=words):
        check_people(seen, People())


def test_a_clip_is_looked_at_once(tmp_path):
    encode(toy_clip(0, "puppets", frames=9, size=32).frames, 8.0, tmp_path / "a.mkv")
    looks = []

    def detect(pictures):
        looks.append(len(pictures))
        return [np.array([[4, 0, 20, 24]]), np.zeros((0, 4)), np.array([[0, 0, 9, 16], [9, 0, 20, 16]])]

    item = SimpleNamespace(path=tmp_path / "a.mkv", medium=SimpleNamespace(sha256="0" * 64, still=False))
    for _ in range(2):
        look = PersonCounter(detect, 3, 8.0, tmp_path / "people.jsonl")
        assert look(item, Bucket(9, 32, 32)) == Persons(2, 0.75)
    assert looks == [3]


def test_a_file_that_is_no_detector_is_refused(tmp_path):
    (tmp_path / "detector.pth").write_bytes(b"no weights")
    with pytest.raises(WeightsError, match="no weights of fasterrcnn"):
        people_filter(People(detector=str(tmp_path / "detector.pth")), 8.0, str(tmp_path))
