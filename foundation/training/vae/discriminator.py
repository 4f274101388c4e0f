"""The patch discriminator of the VAE's adversarial loss (paper equation 1; Isola et al. 2017, section 3.2)."""

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from foundation.models.vae.layers import ChannelRMSNorm

SLOPE = 0.2


class PatchDiscriminator(nn.Module):
    """Says of every patch of a clip, in space and time, how real it looks.

    Norms are over channels, as in the VAE: a patch is judged by itself, whatever stands elsewhere or in the batch.
    """

    def __init__(self, channels: tuple[int, ...] = (32, 64, 128)) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            [nn.Conv3d(a, b, 3, (1, 2, 2), padding=1) for a, b in pairwise((3, *channels))]
        )
        self.norms = nn.ModuleList([ChannelRMSNorm(width) for width in channels])
        self.verdict = nn.Conv3d(channels[-1], 1, 3, padding=1)

    def forward(self, frames: Tensor) -> Tensor:
        """(B, 3, F, H, W) in [-1, 1] -> (B, 1, F, H / 8, W / 8), positive where it looks real."""
        hidden_states = frames
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            hidden_states = F.leaky_relu(norm(convolution(hidden_states)), SLOPE)
        return self.verdict(hidden_states)


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge loss of the discriminator's verdicts on real and on decoded clips."""
    return (F.relu(1 - real) + F.relu(1 + fake)).mean() / 2


def generator_loss(fake: Tensor) -> Tensor:
    """What the decoder lowers: its clips shall be called real."""
    return -fake.mean()
