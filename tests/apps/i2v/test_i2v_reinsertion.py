"""Given pictures inside of a clip come out as the VAE would code them there."""

import pytest
import torch

from apps.i2v.conditioning.reinsertion import reinsert_keyframes
from foundation import CausalVideoVAE
from foundation.checkpoints.loading import load_model
from foundation.checkpoints.registry import resolve
from shared.toybox.judges.scenes import psnr
from shared.toybox.mix import toy_clip


@pytest.fixture(scope="module")
def vae():
    return load_model(CausalVideoVAE, resolve("starter") / "vae", torch.float32)


def shown(vae, latents):
    """Frames (F, H, W, 3) uint8."""
    video = vae.to_frames(latents)[0].permute(1, 2, 3, 0)
    return ((video + 1) * 127.5).round().to(torch.uint8).numpy()


@torch.no_grad()
def test_a_picture_that_was_nearly_met_is_met_and_other_latent_frames_stay(vae):
    clip = toy_clip(0, "scenes", "heldout", 9, 64).frames
    latents = vae.to_latents(torch.from_numpy(clip).permute(3, 0, 1, 2)[None] / 127.5 - 1)
    best = psnr(shown(vae, latents)[8], clip[8])
    generator = torch.Generator().manual_seed(0)
    latents[:, :, 2] += torch.randn(latents[:, :, 2].shape, generator=generator)
    missed = psnr(shown(vae, latents)[8], clip[8])
    made = reinsert_keyframes(latents, {0: clip[0], 2: clip[8]}, vae)
    assert torch.equal(made[:, :, :2], latents[:, :, :2])
    met = psnr(shown(vae, made)[8], clip[8])
    assert met > best - 2 > missed


@torch.no_grad()
def test_first_pictures_alone_change_nothing(vae):
    latents = torch.randn(1, vae.config.latent_channels, 3, 8, 8)
    assert (
        reinsert_keyframes(latents, {0: toy_clip(0, "scenes", frames=1, size=64).frames[0]}, vae) is latents
    )
