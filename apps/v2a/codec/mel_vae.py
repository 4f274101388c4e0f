"""`MelVAE`: log-mel spectrograms, seen as pictures of time and frequency, to latents and back (paper, section 5.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.utils.accelerate_utils import apply_forward_hook
from torch import Tensor, nn

from apps.v2a.codec.mel import MelSpec
from foundation.models.stored import StoredModel
from foundation.models.vae.layers import ChannelRMSNorm
from shared.errors import ConfigError, InputError


def convolution(in_channels: int, out_channels: int, stride: tuple[int, int] = (1, 1)) -> nn.Conv2d:
    """3x3, its border repeated, so that sounds of any length agree with their parts."""
    return nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, padding_mode="replicate")


class ResnetBlock(nn.Module):
    """norm, SiLU, conv, norm, SiLU, conv, plus the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = ChannelRMSNorm(channels), convolution(channels, channels)
        self.norm2, self.conv2 = ChannelRMSNorm(channels), convolution(channels, channels)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """(B, C, T, K) -> the same shape."""
        update = self.conv1(F.silu(self.norm1(hidden_states)))
        return hidden_states + self.conv2(F.silu(self.norm2(update)))


def residual_blocks(channels: int, layers: int) -> nn.Sequential:
    """`layers` residual blocks."""
    return nn.Sequential(*[ResnetBlock(channels) for _ in range(layers)])


class Encoder(nn.Module):
    """conv_in and a bias of each band, residual blocks with half the bands after each level but the last, conv_out."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        channels, bands = config.block_out_channels, config.mel["n_mels"] // config.patch_size[1]
        self.conv_in = convolution(config.patch_size[0] * config.patch_size[1], channels[0])
        self.band_bias = nn.Parameter(torch.zeros(channels[0], 1, bands))
        self.levels = nn.ModuleList([residual_blocks(width, config.layers_per_block) for width in channels])
        self.downsamplers = nn.ModuleList([convolution(a, b, (1, 2)) for a, b in pairwise(channels)])
        self.mid_block = ResnetBlock(channels[-1])
        self.conv_norm_out = ChannelRMSNorm(channels[-1])
        self.conv_out = convolution(channels[-1], 2 * config.latent_channels)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """(B, P, T, M / p) -> (B, 2 C, T, K)."""
        hidden_states = self.levels[0](self.conv_in(hidden_states) + self.band_bias)
        for downsample, level in zip(self.downsamplers, self.levels[1:], strict=True):
            hidden_states = level(downsample(hidden_states))
        return self.conv_out(F.silu(self.conv_norm_out(self.mid_block(hidden_states))))


class Decoder(nn.Module):
    """The encoder's mirror image."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        channels = tuple(reversed(config.block_out_channels))
        bands = config.mel["n_mels"] // config.patch_size[1] // 2 ** (len(channels) - 1)
        self.conv_in = convolution(config.latent_channels, channels[0])
        self.band_bias = nn.Parameter(torch.zeros(channels[0], 1, bands))
        self.mid_block = ResnetBlock(channels[0])
        self.levels = nn.ModuleList([residual_blocks(width, config.layers_per_block) for width in channels])
        self.upsamplers = nn.ModuleList([convolution(a, b) for a, b in pairwise(channels)])
        self.conv_norm_out = ChannelRMSNorm(channels[-1])
        self.conv_out = convolution(channels[-1], config.patch_size[0] * config.patch_size[1])

    def forward(self, hidden_states: Tensor) -> Tensor:
        """(B, C, T, K) -> (B, P, T, M / p)."""
        hidden_states = self.levels[0](self.mid_block(self.conv_in(hidden_states) + self.band_bias))
        for upsample, level in zip(self.upsamplers, self.levels[1:], strict=True):
            hidden_states = level(upsample(hidden_states.repeat_interleave(2, dim=3)))
        return self.conv_out(F.silu(self.conv_norm_out(hidden_states)))


class MelVAE(StoredModel, ConfigMixin):
    """VAE of log-mel spectrograms: (T, M) becomes C channels of (T / t, K).

    `encode` and `decode` deal in raw posteriors; `to_latents` and `to_mel` in normalised latents.

    Args:
        mel: the `MelSpec` that it was made for, as a mapping.
        latent_channels: C.
        block_out_channels: width of each level; there are half as many bands from one level to the next.
        layers_per_block: residual blocks of a level.
        patch_size: frames and bands that are folded into channels first; t is the first of them.
        mel_mean: of the values of spectrograms, which are normalised with it,
        mel_std: and their standard deviation.
        scaling_factor: 1 / standard deviation of raw latents.

    Raises:
        ConfigError: bands that cannot be folded and halved so often.
    """

    _supports_gradient_checkpointing = False

    @register_to_config
    def __init__(
        self,
        mel: Mapping[str, Any] | None = None,
        latent_channels: int = 8,
        block_out_channels: tuple[int, ...] = (64, 80),
        layers_per_block: int = 1,
        patch_size: tuple[int, int] = (2, 4),
        mel_mean: float = -5.0,
        mel_std: float = 2.0,
        scaling_factor: float = 1.0,
    ) -> None:
        super().__init__()
        self.spec = MelSpec.from_mapping(mel or {})
        self.register_to_config(mel=asdict(self.spec))
        folded = patch_size[1] * 2 ** (len(block_out_channels) - 1)
        if self.spec.n_mels % folded:
            raise ConfigError(f"{self.spec.n_mels} mel bands do not fit: a multiple of {folded} is needed")
        self.encoder = Encoder(self.config)
        self.decoder = Decoder(self.config)
        self.quant_conv = nn.Conv2d(2 * latent_channels, 2 * latent_channels, kernel_size=1)
        self.post_quant_conv = nn.Conv2d(latent_channels, latent_channels, kernel_size=1)

    @property
    def time_compression(self) -> int:
        """Mel frames of a latent frame."""
        return self.config.patch_size[0]

    @property
    def latent_bands(self) -> int:
        """K, the rows of a latent frame."""
        return self.spec.n_mels // self.config.patch_size[1] // 2 ** (len(self.config.block_out_channels) - 1)

    @property
    def latent_rate(self) -> float:
        """Latent frames per second."""
        return self.spec.frame_rate / self.time_compression

    @apply_forward_hook
    def encode(self, mel: Tensor) -> DiagonalGaussianDistribution:
        """Posterior of a spectrogram: `.mean`, `.sample(generator)`, raw (not normalised), each (B, C, T / t, K).

        Args:
            mel: (B, T, M) as `log_mel` gives it, T a multiple of t.

        Raises:
            InputError: another shape.
        """
        frames, bands = self.config.patch_size
        if mel.ndim != 3 or mel.shape[2] != self.spec.n_mels or mel.shape[1] % frames or not mel.shape[1]:
            raise InputError(
                f"a spectrogram of shape {tuple(mel.shape)} does not fit: (B, multiple of {frames}, "
                f"{self.spec.n_mels}) expected"
            )
        values = (mel - self.config.mel_mean) / self.config.mel_std
        folded = values.unflatten(2, (-1, bands)).unflatten(1, (-1, frames))  # (B, T / t, t, M / p, p)
        pixels = folded.permute(0, 2, 4, 1, 3).flatten(1, 2).to(self.dtype)
        return DiagonalGaussianDistribution(self.quant_conv(self.encoder(pixels)))

    @apply_forward_hook
    def decode(self, raw: Tensor) -> Tensor:
        """(B, C, T / t, K) raw latents -> (B, T, M), not clamped."""
        if raw.ndim != 4 or raw.shape[1] != self.config.latent_channels or raw.shape[3] != self.latent_bands:
            raise InputError(
                f"latents of shape {tuple(raw.shape)} do not fit: (B, {self.config.latent_channels}, T, "
                f"{self.latent_bands}) expected"
            )
        pixels = self.decoder(self.post_quant_conv(raw)).unflatten(1, self.config.patch_size)
        values = pixels.permute(0, 3, 1, 4, 2).flatten(3, 4).flatten(1, 2)
        return values * self.config.mel_std + self.config.mel_mean

    def to_latents(self, mel: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Normalised latents of a spectrogram: a sample of the posterior with a generator, its mean without."""
        posterior = self.encode(mel)
        raw = posterior.mean if generator is None else posterior.sample(generator)
        return raw * self.config.scaling_factor

    def to_mel(self, latents: Tensor) -> Tensor:
        """The spectrogram (B, T, M) of normalised latents, at or above the spec's floor."""
        return self.decode(latents / self.config.scaling_factor).clamp(min=self.spec.lowest)
