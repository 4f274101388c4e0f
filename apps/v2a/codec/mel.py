"""Log-mel spectrograms: what a codec's parts must agree on, and the spectrogram of a waveform."""

from __future__ import annotations

from functools import lru_cache

import librosa
import torch
import torch.nn.functional as F
from torch import Tensor

from apps.v2a.codec.mel_spec import FILTERS, LOGARITHMS, MelSpec
from shared.errors import InputError


def log_mel(waveform: Tensor, spec: MelSpec) -> Tensor:
    """Log-mel spectrogram of the magnitudes of a short-time Fourier transform; gradients flow through it.

    Args:
        waveform: (B, N), N more than `spec.margin`.
        spec: what to compute.

    Returns:
        (B, T, n_mels) float32.

    Raises:
        InputError: a waveform of another shape, or too short.
    """
    if waveform.ndim != 2 or waveform.shape[1] <= spec.margin:
        raise InputError(
            f"a waveform of shape {tuple(waveform.shape)} is too short: (B, more than {spec.margin})"
        )
    with torch.autocast(waveform.device.type, enabled=False):
        magnitudes = spectrum(waveform.float(), spec).abs().transpose(1, 2)  # (B, T, n_fft / 2 + 1)
        mel = magnitudes @ mel_filters(spec).to(waveform.device).T
        return mel.clamp(min=spec.floor).log() * LOGARITHMS[spec.logarithm]


def spectrum(waveform: Tensor, spec: MelSpec) -> Tensor:
    """Short-time Fourier transform of (B, N) whose frames are the spectrogram's, complex (B, n_fft / 2 + 1, T)."""
    padded = F.pad(waveform[:, None], (spec.margin, spec.margin), mode="reflect")[:, 0]
    window = torch.hann_window(spec.n_fft, device=waveform.device)
    return torch.stft(padded, spec.n_fft, spec.hop_length, window=window, center=False, return_complex=True)


@lru_cache(maxsize=8)
def mel_filters(spec: MelSpec) -> Tensor:
    """The filters of a spectrogram's bands, (n_mels, n_fft / 2 + 1)."""
    return torch.from_numpy(
        librosa.filters.mel(
            sr=spec.sample_rate,
            n_fft=spec.n_fft,
            n_mels=spec.n_mels,
            fmin=spec.fmin,
            fmax=spec.fmax,
            **FILTERS[spec.filters],
        )
    )
