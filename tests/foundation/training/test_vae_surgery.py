"""A deepen VAE starts from what it was."""

import pytest
import torch
from tiny_models import STARTER_VAE, tiny_vae
from torch import nn

from foundation.models.vae.layers import ResnetBlock
from foundation.models.vae.model import CausalVideoVAE
from foundation.training.vae.surgery import deepen
from shared.errors import ConfigError


def test_a_deeper_vae_is_the_same_function_and_can_learn():
    vae = tiny_vae(CausalVideoVAE, **STARTER_VAE)
    deeper = deepen(vae, vae.config.layers_per_block + 1)
    frames = torch.randn(1, 3, 5, 32, 32)
    assert sum(isinstance(m, ResnetBlock) for m in deeper.modules()) > sum(
        isinstance(m, ResnetBlock) for m in vae.modules()
    )
    with torch.no_grad():
        before, after = vae.encode(frames), deeper.encode(frames)
        assert torch.equal(before.mean, after.mean)
        assert torch.equal(vae.decode(before.mean), deeper.decode(after.mean))
    deeper.decode(deeper.encode(frames).mean).square().mean().backward()
    still = [
        m.conv2.conv for m in deeper.modules() if isinstance(m, ResnetBlock) and not m.conv2.conv.weight.any()
    ]
    assert still
    assert all(isinstance(conv, nn.Conv3d) and conv.weight.grad.abs().max() > 0 for conv in still)


def test_a_shallower_vae_is_refused():
    vae = tiny_vae(CausalVideoVAE, **STARTER_VAE)
    with pytest.raises(ConfigError, match="layers_per_block=0"):
        deepen(vae, 0)
