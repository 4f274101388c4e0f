"""A clip goes on from its latents, and what there was stays as it was."""

import resource

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from apps.i2v import ImageToVideoPipeline, cli
from apps.i2v.conditioning.extension import context_of, extended, extended_frames
from apps.i2v.conditioning.latents_file import find_latents, latents_path, recovered, save_latents
from shared.errors import InputError, ResourceError
from shared.receipts import read_receipt
from shared.results import read_clip

PROMPT = "a red circle moves right"


@given(frames=st.integers(1, 12), window=st.integers(2, 9), times=st.integers(1, 6))
def test_every_window_is_given_the_end_and_adds_to_it(frames, window, times):
    clip = torch.arange(float(frames)).view(1, 1, -1, 1, 1)

    def count_on(given, place):
        first = float(given.flatten()[0])
        assert place.start == first
        assert 1 <= given.shape[2] <= min(3, window - 1)
        return torch.arange(first, first + window).view(1, 1, -1, 1, 1)

    longer = extended(clip, count_on, window, times)
    assert longer.flatten().tolist() == list(range(extended_frames(frames, window, times)))


def test_the_first_latent_frame_is_given_only_where_there_is_no_other():
    assert [context_of(frames, 5) for frames in (1, 2, 3, 4, 9)] == [1, 1, 2, 3, 3]
    with pytest.raises(InputError, match="adds nothing"):
        context_of(5, 1)


@pytest.fixture(scope="module")
def pipe(i2v_folder):
    return ImageToVideoPipeline.from_pretrained(str(i2v_folder), device="cpu")


def test_a_clip_is_extended_as_often_as_asked_and_keeps_what_it_had(pipe):
    latents = torch.randn(1, 4, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    clip, longer = pipe.extend(latents, PROMPT, times=2, frames=9, seed=3)
    assert longer.shape[2] == extended_frames(3, 3, 2)
    assert torch.equal(longer[:, :, :3], latents)
    assert clip.frames.shape == (4 * (longer.shape[2] - 1) + 1, 32, 32, 3)
    again = pipe.extend(latents, PROMPT, times=2, frames=9, seed=3)[1]
    other = pipe.extend(latents, PROMPT, times=2, frames=9, seed=4)[1]
    assert torch.equal(again, longer)
    assert not torch.equal(other, longer)


def test_frames_before_the_first_join_are_the_clips_own(pipe):
    latents = torch.randn(1, 4, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    clip, _ = pipe.extend(latents, PROMPT, frames=9)
    assert np.array_equal(clip.frames[:9], pipe.to_media(latents))


def i2v(*argv):
    cli.main([str(word) for word in argv])


def test_an_extension_goes_on_from_the_latents_beside_the_clip(
    tmp_path, capsys, i2v_folder, pipe, monkeypatch
):
    rng = np.random.default_rng(0)
    picture = tmp_path / "cat.png"
    Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(picture)
    first, second = tmp_path / "first.mkv", tmp_path / "second.mkv"
    common = ("--prompt", PROMPT, "--model", i2v_folder, "--device", "cpu", "--steps", "1", "--frames", "9")
    i2v("--image", picture, "--out", first, "--keep-latents", *common)
    assert latents_path(first).is_file()
    read = []
    monkeypatch.setattr(cli, "read_source_clip", lambda path: read.append(path) or read_clip(path))
    i2v("--extend", first, "--extensions", "2", "--out", second, *common)
    assert read == [first]
    assert "from its pixels" not in capsys.readouterr().err
    before, after = read_clip(first).frames, read_clip(second).frames
    assert np.array_equal(after[:9], before)
    assert len(after) == 4 * (extended_frames(3, 3, 2) - 1) + 1
    receipt = read_receipt(second)
    assert receipt["details"]["inputs"]["extend"]["name"] == "first.mkv"
    assert find_latents(first, read_receipt(second), pipe.vae) is None
    latents_path(first).unlink()
    i2v("--extend", first, "--out", tmp_path / "third.mkv", *common)
    assert "from its pixels" in capsys.readouterr().err
    with pytest.raises(InputError, match="is 32x32 and stays so"):
        i2v("--extend", first, "--size", "64x64", *common)


def test_latents_say_that_the_disk_is_full(tmp_path, pipe):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, hard))
    try:
        with pytest.raises(ResourceError, match=r"first\.latents\.safetensors cannot be written: "):
            save_latents(torch.zeros(1, 4, 9, 16, 16), tmp_path / "first.mkv", "ab" * 32, pipe.vae)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_pixels_give_the_latents_of_the_clips_end(pipe):
    frames = np.random.default_rng(0).integers(0, 256, (11, 32, 32, 3), np.uint8)
    latents = recovered(frames, pipe.vae, "cpu")
    assert latents.shape == (1, 4, 3, 4, 4)
    assert torch.equal(latents, recovered(frames[2:], pipe.vae, "cpu"))
    with pytest.raises(InputError, match="40x32"):
        recovered(np.zeros((5, 32, 40, 3), np.uint8), pipe.vae, "cpu")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--image", "x.png"), "extend goes on from a clip"),
        (("--loop",), "extend goes on from a clip"),
        ((), "nowhere.mkv does not exist"),
    ],
)
def test_an_extension_that_cannot_be_is_refused(tmp_path, more, words):
    with pytest.raises(InputError, match=words):
        i2v("--extend", tmp_path / "nowhere.mkv", "--prompt", PROMPT, "--out", tmp_path, *more)
