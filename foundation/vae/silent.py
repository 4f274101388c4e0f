"""Latent channels that training let fall silent, drawn anew so that they can carry something again."""

import torch
from torch import Tensor

from foundation.vae.model import CausalVideoVAE

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
