"""What the codec's recipes minimise."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from apps.v2a.codec.mel import log_mel
from apps.v2a.codec.mel_vae import MelVAE
from apps.v2a.codec.vocoder import VocosVocoder
from apps.v2a.training.config import MelVAELoss, VocoderLoss
from foundation.training.vae.losses import fixed_kl

QUIET = 1e-3
"""Magnitude of a short-time Fourier transform below which differences are not trained on."""


class MelVAEObjective(nn.Module):
    """Reconstruction of spectrograms from posteriors that have the standard deviation `deviation` everywhere."""

    def __init__(self, model: MelVAE, weights: MelVAELoss, deviation: float) -> None:
        super().__init__()
        self.model, self.weights, self.deviation = model, weights, deviation

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """`waveform` (B, N), `noise` of the latents' shape -> loss and its parts; `mel` is the L1 unscaled."""
        mel = log_mel(batch["waveform"], self.model.spec)
        mean = self.model.encode(mel).mean
        decoded = self.model.decode(mean + self.deviation * batch["noise"]).float()
        error = (decoded - mel) / self.model.config.mel_std
        losses = {
            "l1": error.abs().mean(),
            "mse": error.square().mean(),
            "kl": fixed_kl(mean, self.deviation),
        }
        loss = torch.stack([getattr(self.weights, name) * value for name, value in losses.items()]).sum()
        values = {**losses, "mel": losses["l1"] * self.model.config.mel_std}
        return loss, {name: value.detach() for name, value in values.items()}


class VocoderObjective(nn.Module):
    """Spectrograms of a vocoder's sound against those of the sound itself (Yamamoto, Song and Kim 2020, section 3).

    With a VAE the vocoder is given spectrograms as they come back from it, which is what it is given in use.

    Args:
        model: the vocoder.
        weights: of the terms.
        vae: frozen; None gives the vocoder the spectrograms themselves.
        deviation: of the noise on the VAE's latents.
    """

    def __init__(
        self, model: VocosVocoder, weights: VocoderLoss, vae: MelVAE | None = None, deviation: float = 0.0
    ) -> None:
        super().__init__()
        self.model, self.weights, self.vae, self.deviation = model, weights, vae, deviation

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """`waveform` (B, N) and, with a VAE, `noise` (B, C, T, K) -> loss and its parts."""
        waveform = batch["waveform"]
        mel = log_mel(waveform, self.model.spec)
        made = self.model(mel if self.vae is None else self._passed(self.vae, mel, batch["noise"]))
        made = made[:, : waveform.shape[1]]
        losses = {"mel": (log_mel(made, self.model.spec) - mel).abs().mean()}
        losses |= spectral_losses(made, waveform, self.model.spec.n_fft)
        loss = torch.stack([getattr(self.weights, name) * value for name, value in losses.items()]).sum()
        return loss, {name: value.detach() for name, value in losses.items()}

    @torch.no_grad()
    def _passed(self, vae: MelVAE, mel: Tensor, noise: Tensor) -> Tensor:
        return vae.decode(vae.encode(mel).mean + self.deviation * noise).float().clamp(min=vae.spec.lowest)


def spectral_losses(made: Tensor, wanted: Tensor, n_fft: int) -> dict[str, Tensor]:
    """Spectral convergence and L1 of log magnitudes, averaged over four resolutions around `n_fft`.

    Args:
        made: (B, N).
        wanted: (B, N).
        n_fft: windows are of twice, once, half and a quarter as many samples, four to a window's length.

    Returns:
        `convergence` and `magnitude`, each the mean over the batch of a sample's loss.
    """
    parts = []
    with torch.autocast(made.device.type, enabled=False):
        for size in (2 * n_fft, n_fft, n_fft // 2, n_fft // 4):
            a, b = (_magnitudes(waveform.float(), size) for waveform in (made, wanted))
            distance = torch.linalg.vector_norm(a - b, dim=(1, 2))
            ratio = distance / torch.linalg.vector_norm(b, dim=(1, 2)).clamp(min=QUIET)
            logs = (a.clamp(min=QUIET).log() - b.clamp(min=QUIET).log()).abs().mean()
            parts.append(torch.stack([ratio.mean(), logs]))
    convergence, magnitude = torch.stack(parts).mean(dim=0)
    return {"convergence": convergence, "magnitude": magnitude}


def _magnitudes(waveform: Tensor, size: int) -> Tensor:
    window = torch.hann_window(size, device=waveform.device)
    spectrum = torch.stft(waveform, size, size // 4, window=window, return_complex=True)
    return spectrum.abs()
