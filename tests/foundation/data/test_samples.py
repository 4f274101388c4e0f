"""Preparing a folder, and the samples that a trainer gets of it."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import STARTER_VAE

from foundation.checkpoints.text_encoders import load_text_encoder
from foundation.data.encoding import encode_clips
from foundation.data.folder import cache
from foundation.data.folder.buckets import Bucket, ClipSettings
from foundation.data.folder.prepared import Prepared, read_prepared
from foundation.data.folder.samples import FolderSamples
from foundation.data.loading import Shares, load
from foundation.models.vae.model import CausalVideoVAE
from shared.config import Size
from shared.errors import ConfigError, InputError
from shared.media.video import decode

SETTINGS = ClipSettings(Size(32, 32), 9, 8.0)


@pytest.fixture(scope="module")
def encoders(starter_folder):
    torch.manual_seed(0)
    return CausalVideoVAE(**STARTER_VAE).eval(), load_text_encoder(starter_folder)


@pytest.fixture
def folder(media):
    for index in range(3):
        media.clip(f"clip{index}.mkv", caption=f"clip number {index}")
    media.clip("sub/clip0.mkv", frames=5, caption="the short one")
    media.picture("still.png", caption=None).with_suffix(".json").write_text('{"captions": ["one", "two"]}')
    return media


@pytest.fixture
def prepare(folder, encoders, tmp_path, monkeypatch):
    """Prepares the folder; `prepare.encoded` are the numbers of clips that went through the VAE, call by call."""
    monkeypatch.setenv("KINORA_CACHE", str(tmp_path / "kinora"))

    class Prepare:
        encoded = ()

        def __call__(self, settings=SETTINGS, vae=None) -> Prepared:
            self.encoded = []
            monkeypatch.setattr(cache, "encode_clips", self.encode)
            return cache.prepare_folder(
                folder.root, settings, vae or encoders[0], encoders[1], tmp_path / "cache"
            )

        def encode(self, clips, vae):
            self.encoded.append(len(clips))
            return encode_clips(clips, vae)

    return Prepare()


def generators(count):
    return [np.random.default_rng(index) for index in range(count)]


def test_a_sample_is_what_the_encoders_say_of_the_file(prepare, folder, encoders):
    samples = FolderSamples(prepare(), shift=3.0, text_dropout=0.0)
    index = [sample.name for sample in samples.samples].index("clip1.mkv")
    batch = samples.batch([index], generators(1))
    frames = decode(folder.root / "clip1.mkv")[0]
    assert torch.equal(batch["latents"], encode_clips([frames], encoders[0]).float())
    text = encoders[1](["clip number 1"])
    assert torch.equal(batch["embeds"], text.embeds.bfloat16().float())
    assert torch.equal(batch["pooled"], text.pooled.bfloat16().float())


def test_pictures_are_described_in_the_template_of_pictures(prepare, encoders):
    samples = FolderSamples(prepare(), shift=3.0, text_dropout=0.0)
    index = [sample.name for sample in samples.samples].index("still.png")
    told = [encoders[1]([caption], "image").embeds.float() for caption in ("one", "two")]
    chosen = set()
    for seed in range(10):
        embeds = samples.batch([index], [np.random.default_rng(seed)])["embeds"]
        [close] = [
            place
            for place, one in enumerate(told)
            if one.shape == embeds.shape and torch.allclose(embeds, one, atol=1e-2)
        ]
        chosen.add(close)
    assert chosen == {0, 1}  # either caption comes up


def test_text_that_is_dropped_is_the_empty_caption(prepare, encoders):
    samples = FolderSamples(prepare(), shift=3.0, text_dropout=1.0)
    pooled = encoders[1]([""], "video").pooled.bfloat16().float()
    assert torch.equal(samples.batch([0], generators(1))["pooled"], pooled)


def test_nothing_is_encoded_twice(prepare):
    first = prepare()
    assert sum(prepare.encoded) == 5
    assert prepare() == first
    assert prepare.encoded == []


def test_a_folder_that_changed_costs_what_is_new_in_it_and_is_said_aloud(prepare, folder, capsys):
    before = prepare()
    folder.clip("new.mkv", caption="a new one")
    folder.clip("clip1.mkv", caption="clip number 1")
    (folder.root / "clip2.mkv").unlink()
    (folder.root / "clip0.mkv").rename(folder.root / "moved.mkv")
    (folder.root / "clip0.txt").rename(folder.root / "moved.txt")
    capsys.readouterr()
    after = prepare()
    assert sum(prepare.encoded) == 2
    assert "not what it was when it was last prepared: 2 new, 2 gone, 1 changed" in capsys.readouterr().err
    assert after.sha256 != before.sha256
    names = [sample.name for sample in after.samples]
    assert names == ["clip1.mkv", "moved.mkv", "new.mkv", "still.png", "sub/clip0.mkv"]


def test_a_caption_that_changed_costs_no_clip(prepare, folder, capsys):
    before = prepare()
    (folder.root / "clip1.txt").write_text("other words")
    after = prepare()
    assert prepare.encoded == []
    assert "1 changed" in capsys.readouterr().err
    assert after.sha256 != before.sha256


def test_the_same_clip_under_two_names_is_encoded_once(prepare, folder):
    copy = folder.root / "copy.mkv"
    copy.write_bytes((folder.root / "clip0.mkv").read_bytes())
    folder.captioned(copy, "again")
    assert len(prepare().samples) == 6
    assert sum(prepare.encoded) == 5


@pytest.mark.parametrize("settings", [replace(SETTINGS, size=Size(48, 48)), replace(SETTINGS, frames=5)])
def test_a_cache_of_another_size_or_length_is_not_used(prepare, folder, settings):
    for index in range(3):
        folder.clip(f"clip{index}.mkv", size=(64, 64))
    folder.clip("sub/clip0.mkv", frames=5, size=(64, 64))
    folder.picture("still.png", size=(64, 64), caption=None)
    prepare()
    samples = FolderSamples(prepare(settings), shift=3.0)
    assert sum(prepare.encoded) >= 3
    for index, sample in enumerate(samples.samples):
        bucket = sample.bucket
        shape = (4, bucket.latent_frames, bucket.height // 8, bucket.width // 8)
        assert samples.batch([index], generators(1))["latents"].shape[1:] == shape
        assert bucket.frames <= settings.frames


def test_a_cache_of_other_weights_is_not_used(prepare):
    first = prepare()
    torch.manual_seed(1)
    second = prepare(vae=CausalVideoVAE(**STARTER_VAE).eval())
    assert sum(prepare.encoded) == 5
    one, other = (FolderSamples(each, 3.0).batch([0], generators(1))["latents"] for each in (first, second))
    assert not torch.equal(one, other)


def test_a_run_that_was_killed_goes_on_at_its_last_shard(prepare, forked, monkeypatch):
    monkeypatch.setattr(cache, "MOST_CLIPS", 1)
    whole = cache.Shards.add

    def killed():
        """Dies in the middle of the third shard of clips."""

        def add(self, name, keys, tensors):
            if self.folder.name.startswith("latents") and len(self.places) == 2:
                monkeypatch.setattr(Path, "write_bytes", die)
            whole(self, name, keys, tensors)

        def die(path, data):
            with path.open("wb") as file:
                file.write(data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)

        monkeypatch.setattr(cache.Shards, "add", add)
        prepare()

    assert forked(killed) == -signal.SIGKILL
    samples = FolderSamples(prepare(), shift=3.0)
    assert sum(prepare.encoded) == 3
    for index in range(5):
        assert samples.batch([index], generators(1))["latents"].isfinite().all()


def test_a_damaged_shard_is_made_again(prepare, tmp_path, capsys):
    first = FolderSamples(prepare(), shift=3.0).batch([0], generators(1))
    for path in (tmp_path / "cache").glob("latents-*/*.safetensors"):
        path.write_bytes(path.read_bytes()[:-10])
    again = FolderSamples(prepare(), shift=3.0).batch([0], generators(1))
    assert "is damaged and is made again" in capsys.readouterr().err
    assert sum(prepare.encoded) == 5
    assert torch.equal(first["latents"], again["latents"])


def test_the_list_and_the_shards_are_all_that_a_trainer_needs(prepare, folder, tmp_path):
    prepared = prepare()
    (tmp_path / "cache").rename(tmp_path / "elsewhere")
    folder.root.rename(tmp_path / "gone")
    found = read_prepared(tmp_path / "elsewhere" / prepared.path.name)
    assert found.sha256 == prepared.sha256
    assert len(FolderSamples(found, shift=3.0)) == 5


def test_samples_of_a_folder_that_changed_have_another_fingerprint(prepare, folder):
    first, again = (FolderSamples(prepare(), shift=3.0).fingerprint for _ in range(2))
    (folder.root / "clip1.txt").write_text("other words")
    assert first == again
    assert FolderSamples(prepare(), shift=3.0).fingerprint != first


def test_a_cache_that_lacks_a_sample_is_refused_before_training(prepare, tmp_path):
    prepared = prepare()
    for path in (tmp_path / "cache").glob("latents-*/1x*.safetensors"):
        path.unlink()
    with pytest.raises(ConfigError, match="prepare the folder of clips again"):
        FolderSamples(prepared, shift=3.0)


@pytest.mark.parametrize("content", ["{", "[]", '{"version": 2}', json.dumps({"version": 1, "folder": "x"})])
def test_a_list_that_is_none_is_refused(tmp_path, content):
    (tmp_path / "list.json").write_text(content)
    with pytest.raises(ConfigError, match="prepare the folder again"):
        read_prepared(tmp_path / "list.json")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_prepared(tmp_path / "nowhere.json")


def test_markup_in_a_caption_rejects_its_clip_before_anything_is_encoded(prepare, folder, capsys):
    folder.clip("evil.mkv", caption="A <image> of a cat")
    assert "evil.mkv" not in [sample.name for sample in prepare().samples]
    assert "'<image>'" in capsys.readouterr().err


def test_a_folder_with_nothing_to_train_on_is_refused(prepare, folder):
    for path in folder.root.rglob("*.txt"):
        path.unlink()
    (folder.root / "still.json").unlink()
    with pytest.raises(InputError, match="every file in it is rejected"):
        prepare()


def test_the_batches_of_an_epoch_hold_every_sample_once_and_one_bucket_each(prepare):
    samples = FolderSamples(prepare(), shift=3.0)
    order = samples.order(seed=0)
    members = [order.batch(step, 1) for step in range(order.length(1))]
    assert sorted(sample for batch in members for _, sample in batch) == list(range(5))
    assert all(len({samples.samples[i].bucket for _, i in batch}) == 1 for batch in members)


def test_a_batch_of_cheaper_clips_is_larger(prepare, folder):
    for index in range(4):
        folder.picture(f"picture{index}.png")
    samples = FolderSamples(prepare(), shift=3.0)
    order = samples.order(seed=0)
    longest = {}
    for step in range(order.length(2)):
        members = order.batch(step, 2)
        bucket = samples.samples[members[0][1]].bucket
        longest[bucket] = max(longest.get(bucket, 0), len(members))
    assert longest == {Bucket(9, 32, 32): 2, Bucket(5, 32, 32): 1, Bucket(1, 32, 32): 5}


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_workers_give_the_batches_that_one_process_gives(prepare, workers):
    samples = FolderSamples(prepare(), shift=3.0)
    order = samples.order(seed=0)
    shares = Shares(samples, order, size=2)
    numbers = range(2 * order.length(2))
    alone = [shares[number] for number in numbers]
    for one, other in zip(load(shares, numbers, workers), alone, strict=True):
        assert one.weight == 1.0
        assert one.batch.keys() == other.batch.keys()
        assert all(torch.equal(one.batch[key], other.batch[key]) for key in one.batch)
