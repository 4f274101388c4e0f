"""Reconstruction losses of the VAE."""

import torch
from torch import Tensor, nn

from foundation.vae.model import CausalVideoVAE


class VAEObjective(nn.Module):
    """L1 + `mse_weight` MSE + `kl_weight` KL (paper equation 1 without its perceptual and adversarial terms).

    The reconstruction terms are means over pixels, the KL a sum over the latents of a clip, as usual for
    latent diffusion autoencoders.
    """

    def __init__(self, model: CausalVideoVAE, mse_weight: float = 2.0, kl_weight: float = 1e-6) -> None:
        super().__init__()
        self.model, self.mse_weight, self.kl_weight = model, mse_weight, kl_weight

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """`frames` (B, 3, F, H, W) in [-1, 1] and `noise` of the latents' shape -> loss and its parts."""
        frames = batch["frames"]
        posterior = self.model.encode(frames)
        decoded = self.model.decode(posterior.mean + posterior.std * batch["noise"]).float()
        error = decoded - frames
        l1, mse, kl = error.abs().mean(), error.square().mean(), posterior.kl().mean()
        loss = l1 + self.mse_weight * mse + self.kl_weight * kl
        psnr = -10 * torch.log10(mse.detach() / 4)  # the range of values is 2
        return loss, {"l1": l1.detach(), "psnr": psnr, "kl": kl.detach()}
