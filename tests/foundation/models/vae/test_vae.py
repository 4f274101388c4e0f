"""The causal video VAE: parity with diffusers, causality, sizes."""

import json

import pytest
import torch
from diffusers import AutoencoderKLHunyuanVideo
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import STARTER_VAE, TINY_VAE, relative_difference, tiny_vae

from foundation.models.vae.model import OWN_KEYS, CausalVideoVAE, fold_pixels, unfold_pixels
from foundation.models.vae.tiling import Tiling
from shared.errors import ConfigError, InputError


@pytest.fixture(scope="module")
def pair():
    theirs = tiny_vae(AutoencoderKLHunyuanVideo)
    theirs.use_framewise_encoding = theirs.use_framewise_decoding = False
    ours = CausalVideoVAE(**TINY_VAE).eval()
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


@pytest.fixture(scope="module")
def starter():
    torch.manual_seed(0)
    return CausalVideoVAE(**STARTER_VAE).eval()


def clip(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@torch.no_grad()
@pytest.mark.parametrize("frames", [1, 5, 9])
def test_encode_and_decode_agree_with_diffusers(pair, frames):
    ours, theirs = pair
    video = clip(2, 3, frames, 16, 24)
    assert (
        relative_difference(ours.encode(video).parameters, theirs.encode(video).latent_dist.parameters)
        <= 1e-4
    )
    raw = torch.randn(2, 4, (frames - 1) // 4 + 1, 2, 3)
    assert relative_difference(ours.decode(raw), theirs.decode(raw).sample) <= 1e-4


@torch.no_grad()
@pytest.mark.parametrize(
    ("frames", "stride", "latents"),
    [
        pytest.param(64, 48, 18, id="released-weights"),
        pytest.param(16, 12, 8, id="diffusers"),
        pytest.param(8, 4, 8, id="half-overlap"),
        pytest.param(64, 48, 3, id="space-only"),
    ],
)
@pytest.mark.parametrize("size", [(6, 9), (3, 4)], ids=["tiled-space", "whole-space"])
def test_tiled_results_agree_with_diffusers(pair, frames, stride, latents, size):
    ours, theirs = pair
    theirs.use_framewise_encoding = theirs.use_framewise_decoding = True
    theirs.enable_tiling(32, 32, frames, 24, 24, stride)
    ours.enable_tiling(Tiling(32, 24, frames, stride))
    try:
        video = clip(1, 3, 4 * latents - 3, 8 * size[0], 8 * size[1])
        moments = ours.encode(video).parameters
        assert relative_difference(moments, theirs.encode(video).latent_dist.parameters) <= 1e-4
        raw = torch.randn(1, 4, latents, *size)
        assert relative_difference(ours.decode(raw), theirs.decode(raw).sample) <= 1e-4
    finally:
        ours.disable_tiling()
        theirs.disable_tiling()
        theirs.use_framewise_encoding = theirs.use_framewise_decoding = False


def test_the_released_configuration_has_the_released_number_of_parameters():
    with torch.device("meta"):
        vae = CausalVideoVAE()
    assert sum(p.numel() for p in vae.parameters()) == 246_478_803
    assert sum(p.numel() for p in vae.encoder.parameters()) == 100_341_408
    assert len(vae.state_dict()) == 248


@torch.no_grad()
def test_the_starter_vae_is_strictly_causal(starter):
    video = clip(1, 3, 9, 16, 16)
    changed = video.clone()
    changed[:, :, 5:] = clip(1, 3, 4, 16, 16, seed=1)
    assert torch.equal(starter.encode(video).mean[:, :, :2], starter.encode(changed).mean[:, :, :2])
    raw = starter.encode(video).mean
    later = raw.clone()
    later[:, :, 2:] += 1
    torch.testing.assert_close(starter.decode(raw)[:, :, :5], starter.decode(later)[:, :, :5])


@torch.no_grad()
def test_an_image_is_a_one_frame_video(starter):
    video = clip(1, 3, 9, 16, 16)
    torch.testing.assert_close(starter.encode(video[:, :, :1]).mean, starter.encode(video).mean[:, :, :1])


@given(k=st.integers(0, 3), height=st.integers(1, 4), width=st.integers(1, 4))
@settings(max_examples=12, deadline=None)
@torch.no_grad()
def test_any_valid_size_comes_back_in_its_size(starter, k, height, width):
    video = clip(1, 3, 4 * k + 1, 8 * height, 8 * width)
    latents = starter.to_latents(video)
    assert latents.shape == (1, 4, k + 1, height, width)
    assert starter.to_frames(latents).shape == video.shape


@given(
    frames=st.integers(1, 9),
    height=st.integers(1, 5),
    width=st.integers(1, 5),
    stride=st.sampled_from([(8, 8), (16, 8), (16, 16)]),
)
@settings(max_examples=20, deadline=None)
@torch.no_grad()
def test_tiling_gives_every_size_back_whole(starter, frames, height, width, stride):
    latents = torch.randn(1, 4, frames, height, width)
    starter.enable_tiling(Tiling(pixels=stride[0], pixel_stride=stride[1], frames=8, frame_stride=4))
    try:
        assert starter.to_frames(latents).shape == (1, 3, 4 * frames - 3, 8 * height, 8 * width)
    finally:
        starter.disable_tiling()


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((1, 3, 8, 16, 16), "8 frames do not fit: 4k \\+ 1 are needed, for example 9"),
        ((1, 3, 5, 16, 20), "20x16 pixels do not fit"),
        ((1, 4, 5, 16, 16), "frames of shape"),
    ],
)
def test_a_size_that_does_not_fit_is_named(starter, shape, words):
    with pytest.raises(InputError, match=words):
        starter.encode(torch.zeros(shape))


def test_latents_of_another_model_are_refused(starter):
    with pytest.raises(InputError, match="latents of shape"):
        starter.decode(torch.zeros(1, 16, 2, 2, 2))


def test_tiles_that_do_not_fit_the_compression_are_refused():
    with pytest.raises(ConfigError, match="stride of 32 pixels"):
        Tiling(pixels=16, pixel_stride=32)


def test_folding_pixels_loses_nothing():
    frames = clip(2, 3, 5, 8, 16)
    assert torch.equal(unfold_pixels(fold_pixels(frames, 4), 4), frames)


@torch.no_grad()
def test_a_saved_vae_comes_back_and_opens_in_diffusers_where_it_can(pair, starter, tmp_path):
    ours, _ = pair
    ours.save_pretrained(tmp_path / "plain")
    config = json.loads((tmp_path / "plain" / "config.json").read_text())
    assert config["_class_name"] == "AutoencoderKLHunyuanVideo"
    assert not config.keys() & OWN_KEYS.keys()
    theirs = AutoencoderKLHunyuanVideo.from_pretrained(tmp_path / "plain").state_dict()
    assert theirs.keys() == ours.state_dict().keys()
    assert all(torch.equal(value, theirs[key]) for key, value in ours.state_dict().items())
    starter.save_pretrained(tmp_path / "starter")
    again = CausalVideoVAE.from_pretrained(tmp_path / "starter")
    raw = torch.randn(1, 4, 2, 2, 2)
    assert torch.equal(starter.decode(raw), again.decode(raw))
