"""A deeper VAE that begins as the one it was made from."""

import torch

from foundation.vae.layers import ResnetBlock
from foundation.vae.model import CausalVideoVAE
from shared.errors import ConfigError


@torch.no_grad()
def deepened(vae: CausalVideoVAE, layers_per_block: int) -> CausalVideoVAE:
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
