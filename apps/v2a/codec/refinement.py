"""Brings a sound's magnitudes to the spectrogram that it was made from, and leaves its phases as they are.

Vocoders say phases that nearly agree from frame to frame; where they do not, loud tones leak into quiet bands. A pass
multiplies each frame's bins by what their bands lack and goes back to samples, as one of Griffin and Lim (1984) does,
from a start that needs but a few.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from apps.v2a.codec.mel import LOGARITHMS, MelSpec, mel_filters, spectrum

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
