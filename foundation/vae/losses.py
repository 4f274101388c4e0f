"""Reconstruction losses of the VAE."""

import math

import torch
from torch import Tensor, nn

from foundation.vae.model import CausalVideoVAE


class VAEObjective(nn.Module):
    """L1 + `mse_weight` MSE + `kl_weight` KL (paper equation 1 without its perceptual and adversarial terms).

    The reconstruction terms are means over pixels, the KL a sum over the latents of a clip, as usual for
    latent diffusion autoencoders.

    With a `deviation` the posterior has that standard deviation everywhere and does not learn it: where steps
    are normalised (Muon, Adam), the KL's faint pull otherwise widens channels until they say nothing.
    """

    def __init__(
        self, model: CausalVideoVAE, deviation: float | None, mse_weight: float, kl_weight: float
    ) -> None:
        super().__init__()
        self.model, self.deviation = model, deviation
        self.mse_weight, self.kl_weight = mse_weight, kl_weight

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """`frames` (B, 3, F, H, W) in [-1, 1] and `noise` of the latents' shape -> loss and its parts."""
        frames = batch["frames"]
        posterior = self.model.encode(frames)
        if self.deviation is None:
            deviation, kl = posterior.std, posterior.kl().mean()
        else:
            deviation, kl = self.deviation, fixed_kl(posterior.mean, self.deviation)
        decoded = self.model.decode(posterior.mean + deviation * batch["noise"]).float()
        error = decoded - frames
        l1, mse = error.abs().mean(), error.square().mean()
        loss = l1 + self.mse_weight * mse + self.kl_weight * kl
        psnr = -10 * torch.log10(mse.detach() / 4)  # the range of values is 2
        return loss, {"l1": l1.detach(), "psnr": psnr, "kl": kl.detach()}


def fixed_kl(mean: Tensor, deviation: float) -> Tensor:
    """KL to the standard normal, per clip, of posteriors N(mean, deviation^2); mean is (B, C, T, h, w)."""
    constant = deviation**2 - 1 - 2 * math.log(deviation)
    return (mean.float().square() + constant).sum() / (2 * len(mean))
