"""Log-mel spectrograms of waveforms, and waveforms brought to a spectrogram's magnitudes."""

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


LARGEST_GAIN = 4.0
"""Natural logarithm of the factor that a pass may have on a band."""


def refined(waveform: Tensor, mel: Tensor, spec: MelSpec, passes: int) -> Tensor:
    """A sound whose spectrogram is nearer to the one that was asked for.

    Args:
        waveform: (B, N), N `spec.samples(T)`.
        mel: (B, T, n_mels), as `log_mel` gives it for `spec`.
        spec: of the spectrogram.
        passes: how often; two bring most of what there is to be had.

    Returns:
        (B, N).
    """
    filters = mel_filters(spec).to(waveform.device)  # (n_mels, bins)
    shares = filters / filters.sum(dim=0).clamp(min=1e-9)  # which bands a bin belongs to
    window = torch.hann_window(spec.n_fft, device=waveform.device)
    wanted = mel.float() / LOGARITHMS[spec.logarithm]
    with torch.autocast(waveform.device.type, enabled=False):
        for _ in range(passes):
            heard = spectrum(waveform.float(), spec)  # (B, bins, T)
            bands = (heard.abs().transpose(1, 2) @ filters.T).clamp(min=spec.floor).log()
            lacking = (wanted - bands).clamp(-LARGEST_GAIN, LARGEST_GAIN)
            heard = heard * (lacking @ shares).exp().transpose(1, 2)
            waveform = _samples(heard, spec, window, waveform.shape[1])
    return waveform


def _samples(heard: Tensor, spec: MelSpec, window: Tensor, samples: int) -> Tensor:
    """The waveform (B, samples) whose frames come nearest to a spectrum (B, bins, T), by least squares."""
    frames = torch.fft.irfft(heard, n=spec.n_fft, dim=1) * window[:, None]
    weight = window.square()[None, :, None].expand(1, -1, frames.shape[2])
    whole, weights = (_overlapped(part, spec) for part in (frames, weight))
    return (whole / weights.clamp(min=1e-8))[:, spec.margin : spec.margin + samples]


def _overlapped(frames: Tensor, spec: MelSpec) -> Tensor:
    """Frames (B, n_fft, T) added up where they overlap, (B, N)."""
    length = (frames.shape[2] - 1) * spec.hop_length + spec.n_fft
    return F.fold(frames, (1, length), (1, spec.n_fft), stride=(1, spec.hop_length))[:, 0, 0]
