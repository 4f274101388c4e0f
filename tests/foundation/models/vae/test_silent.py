import pytest
import torch

from foundation.models.vae.model import CausalVideoVAE
from foundation.training.vae.surgery import wake_silent_channels


@pytest.fixture
def vae():
    torch.manual_seed(0)
    vae = CausalVideoVAE(
        latent_channels=4,
        block_out_channels=(16, 16, 16),
        down_block_types=("HunyuanVideoDownBlock3D",) * 3,
        up_block_types=("HunyuanVideoUpBlock3D",) * 3,
        layers_per_block=1,
        patch_size=4,
        norm_type="rms",
        mid_block_add_attention=False,
    ).eval()
    torch.nn.init.normal_(vae.quant_conv.bias)
    torch.nn.init.normal_(vae.post_quant_conv.bias)
    with torch.no_grad():
        vae.quant_conv.weight[2] *= 1e-4
    return vae


@torch.no_grad()
def test_a_silent_channel_speaks_and_the_others_say_what_they_said(vae):
    frames = torch.randn(2, 3, 5, 32, 32)
    before = vae.encode(frames).mean
    assert wake_silent_channels(vae, before) == [2]
    after = vae.encode(frames).mean
    loud = [0, 1, 3]
    torch.testing.assert_close(after[:, loud], before[:, loud], atol=1e-5, rtol=1e-4)
    assert after[:, 2].std() > 0.1 * after.std()


@torch.no_grad()
def test_without_silent_channels_nothing_changes(vae):
    latents = torch.randn(2, 4, 2, 4, 4)
    decoded = vae.decode(latents)
    assert wake_silent_channels(vae, latents) == []
    torch.testing.assert_close(vae.decode(latents), decoded, atol=1e-5, rtol=1e-4)
