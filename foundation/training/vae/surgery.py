"""Changes to a VAE between two runs: more layers, or new weights for dead channels."""

import torch
from torch import Tensor

from foundation.models.vae.layers import ResnetBlock
from foundation.models.vae.model import CausalVideoVAE
from shared.errors import ConfigError


@torch.no_grad()
def deepen(vae: CausalVideoVAE, layers_per_block: int) -> CausalVideoVAE:
    """The same function with more residual blocks on every level; each new one begins as the identity.

    The last convolution of a new block is zero (as in Goyal et al. 2017, section 5.1), so that latents and frames
    are those of `vae` bit for bit until training moves it.

    Raises:
        ConfigError: fewer layers than the model has.
    """
    layers = vae.config.layers_per_block
    if layers_per_block < layers:
        raise ConfigError(
            f"layers_per_block={layers_per_block}: the model has {layers}; need as many or more"
        )
    deeper = CausalVideoVAE.from_config(vae.config, layers_per_block=layers_per_block)
    deeper.load_state_dict(vae.state_dict(), strict=False)
    known = dict(vae.named_modules())
    for name, block in deeper.named_modules():
        if isinstance(block, ResnetBlock) and name not in known:
            block.conv2.conv.weight.zero_()
            block.conv2.conv.bias.zero_()
    return deeper


SILENT = 0.1
"""A channel whose latents deviate by less than this share of the loudest channel's says nothing."""

ENTRY = 0.3
"""Size of the decoder's new weights against an ordinary start, so that it is not shaken by what is new."""


@torch.no_grad()
def wake_silent_channels(vae: CausalVideoVAE, latents: Tensor) -> list[int]:
    """Give silent channels random weights on both sides; all others keep what they say.

    `quant_conv` and the convolution before it have nothing between them, nor have `post_quant_conv` and the one
    after it: each pair is one linear map. It is written into the larger of the two, where the rows of silent
    channels are then free, and the smaller becomes the identity.

    Args:
        vae: changed in place.
        latents: (B, C, T, h, w) means of clips.

    Returns:
        The channels that were silent.
    """
    spread = latents.std(dim=(0, 2, 3, 4))
    channels = len(spread)
    silent = (spread < SILENT * spread.max()).nonzero().flatten().tolist()
    before, quant = vae.encoder.conv_out.conv, vae.quant_conv
    means = quant.weight[:channels].flatten(1)  # (C, 2 C)
    before.weight[:channels] = torch.einsum("cj,jixyz->cixyz", means, before.weight)
    before.bias[:channels] = means @ before.bias + quant.bias[:channels]
    quant.weight[:channels] = torch.eye(channels, 2 * channels).view(channels, -1, 1, 1, 1)
    quant.bias[:channels] = 0
    after, post_quant = vae.decoder.conv_in.conv, vae.post_quant_conv
    after.bias += torch.einsum("oixyz,i->o", after.weight, post_quant.bias)
    after.weight[:] = torch.einsum("oixyz,ic->ocxyz", after.weight, post_quant.weight.flatten(1))
    post_quant.weight[:] = torch.eye(channels).view(channels, -1, 1, 1, 1)
    post_quant.bias.zero_()
    for channel in silent:
        inputs = before.weight[channel].numel()
        before.weight[channel].normal_(0, inputs**-0.5)
        before.bias[channel] = 0
        after.weight[:, channel].normal_(0, ENTRY * after.weight[0].numel() ** -0.5)
    return silent
