"""Reconstruction losses of the VAE (paper equation 1)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.func import functional_call

from foundation.models.vae.model import CausalVideoVAE
from foundation.models.vae.tiling import Tiling
from foundation.training.vae.discriminator import (
    PatchDiscriminator,
    discriminator_loss,
    generator_loss,
)
from foundation.training.vae.perceptual import PerceptualDistance

if TYPE_CHECKING:
    from foundation.training.config import LossWeights


class VAELearner(nn.Module):
    """What is trained: the VAE, and the discriminator where the adversarial loss counts."""

    def __init__(self, vae: CausalVideoVAE, discriminator: PatchDiscriminator | None) -> None:
        super().__init__()
        self.vae, self.discriminator = vae, discriminator


class VAEObjective(nn.Module):
    """The weighted sum of `LossWeights`; the discriminator's own loss is added, and moves nothing else.

    With a `deviation` the posterior has that standard deviation everywhere and does not learn it: where steps
    are normalised (Muon, Adam), the KL's faint pull otherwise widens channels until they say nothing.

    Batches that say so are encoded and decoded with `tiling`, so that tiles and whole clips come to agree.
    """

    def __init__(
        self,
        model: VAELearner,
        weights: LossWeights,
        deviation: float | None,
        perceptual: PerceptualDistance | None = None,
        tiling: Tiling | None = None,
    ) -> None:
        super().__init__()
        self.model, self.weights, self.deviation = model, weights, deviation
        self.perceptual, self.tiling = perceptual, tiling

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """`frames` (B, 3, F, H, W) in [-1, 1], `noise` of the latents' shape, `tiled` () -> loss and its parts."""
        frames = batch["frames"]
        self.model.vae.tiling = self.tiling if batch["tiled"] else None
        posterior = self.model.vae.encode(frames)
        if self.deviation is None:
            deviation, kl = posterior.std, posterior.kl().mean()
        else:
            deviation, kl = self.deviation, fixed_kl(posterior.mean, self.deviation)
        decoded = self.model.vae.decode(posterior.mean + deviation * batch["noise"]).float()
        error = decoded - frames
        losses = {"l1": error.abs().mean(), "mse": error.square().mean(), "kl": kl}
        if self.perceptual is not None:
            losses["perceptual"] = self.perceptual(decoded, frames)
        loss = torch.zeros((), device=frames.device)
        if self.model.discriminator is not None:
            losses["adversarial"], loss = self._contest(self.model.discriminator, frames, decoded)
            losses["discriminator"] = loss
        loss = loss + sum(getattr(self.weights, name, 0.0) * value for name, value in losses.items())
        psnr = -10 * torch.log10(losses["mse"] / 4)  # the range of values is 2
        return loss, {name: value.detach() for name, value in {**losses, "psnr": psnr}.items()}

    @staticmethod
    def _contest(discriminator: PatchDiscriminator, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """The decoder's loss, in which the discriminator stands still, and the discriminator's own."""
        still = {name: parameter.detach() for name, parameter in discriminator.named_parameters()}
        own = discriminator_loss(discriminator(real), discriminator(fake.detach()))
        return generator_loss(functional_call(discriminator, still, (fake,))), own


def fixed_kl(mean: Tensor, deviation: float) -> Tensor:
    """KL to the standard normal, per clip, of posteriors N(mean, deviation^2); mean is (B, C, T, h, w)."""
    constant = deviation**2 - 1 - 2 * math.log(deviation)
    return (mean.float().square() + constant).sum() / (2 * len(mean))
