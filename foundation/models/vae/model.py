"""`CausalVideoVAE`: pixels to latents and back (paper section 4.1, figure 6)."""

import json
from collections.abc import Callable, Mapping
from math import log2
from pathlib import Path
from typing import Any, Self

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.utils.accelerate_utils import apply_forward_hook
from torch import Tensor, nn

from foundation.models.stored import StoredModel
from foundation.models.vae.layers import (
    CausalConv3d,
    DownBlock,
    MidBlock,
    NormType,
    Size3,
    UpBlock,
    make_norm,
)
from foundation.models.vae.tiling import Tiling
from shared.errors import ConfigError, InputError

DIFFUSERS_CLASS = "AutoencoderKLHunyuanVideo"
OWN_KEYS = {"patch_size": 1, "norm_type": "group"}
"""Configuration keys that diffusers' class does not know, with the values that stand for its behaviour."""


def resampling(blocks: int, spatial_ratio: int, temporal_ratio: int) -> list[Size3]:
    """The (t, h, w) factor after each block: space halves first, time last but never after the last block.

    The decoder uses the same list: it widens space in its first blocks and time just before its last one.
    """
    spatial, temporal = int(log2(spatial_ratio)), int(log2(temporal_ratio))
    if max(spatial, temporal) > blocks - 1:
        raise ConfigError(
            f"{blocks} blocks cannot compress space {spatial_ratio} times and time {temporal_ratio} times: "
            f"{max(spatial, temporal) + 1} blocks or more are needed"
        )
    factors: list[Size3] = []
    for i in range(blocks):
        space = 2 if i < spatial else 1
        time = 2 if blocks - 1 - temporal <= i < blocks - 1 else 1
        factors.append((time, space, space))
    return factors


class Encoder(nn.Module):
    """conv_in, down blocks, middle block, norm, SiLU, conv_out (mean and log-variance)."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        channels, factors = config.block_out_channels, block_factors(config)
        norm: tuple[NormType, int] = (config.norm_type, config.norm_num_groups)
        self.conv_in = CausalConv3d(config.in_channels * config.patch_size**2, channels[0])
        self.down_blocks = nn.ModuleList(
            [
                DownBlock((a, b), config.layers_per_block, *norm, stride=factor)
                for a, b, factor in zip((channels[0], *channels), channels, factors, strict=False)
            ]
        )
        self.mid_block = MidBlock(channels[-1], *norm, add_attention=config.mid_block_add_attention)
        self.conv_norm_out = make_norm(norm[0], channels[-1], norm[1])
        self.conv_out = CausalConv3d(channels[-1], 2 * config.latent_channels)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """(B, C_in, F, H, W) -> (B, 2 C, T, h, w)."""
        hidden_states = self.conv_in(hidden_states)
        for block in self.down_blocks:
            hidden_states = block(hidden_states)
        hidden_states = self.mid_block(hidden_states)
        return self.conv_out(F.silu(self.conv_norm_out(hidden_states)))


class Decoder(nn.Module):
    """conv_in, middle block, up blocks, norm, SiLU, conv_out."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        channels, factors = tuple(reversed(config.block_out_channels)), block_factors(config)
        norm: tuple[NormType, int] = (config.norm_type, config.norm_num_groups)
        self.conv_in = CausalConv3d(config.latent_channels, channels[0])
        self.mid_block = MidBlock(channels[0], *norm, add_attention=config.mid_block_add_attention)
        self.up_blocks = nn.ModuleList(
            [
                UpBlock((a, b), config.layers_per_block + 1, *norm, factor=factor)
                for a, b, factor in zip((channels[0], *channels), channels, factors, strict=False)
            ]
        )
        self.conv_norm_out = make_norm(norm[0], channels[-1], norm[1])
        self.conv_out = CausalConv3d(channels[-1], config.out_channels * config.patch_size**2)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """(B, C, T, h, w) -> (B, C_out, F, H, W)."""
        hidden_states = self.mid_block(self.conv_in(hidden_states))
        for block in self.up_blocks:
            hidden_states = block(hidden_states)
        return self.conv_out(F.silu(self.conv_norm_out(hidden_states)))


def block_factors(config: Any) -> list[Size3]:
    """What the blocks must still resample after `patch_size` pixels were folded into channels."""
    return resampling(
        len(config.block_out_channels),
        config.spatial_compression_ratio // config.patch_size,
        config.temporal_compression_ratio,
    )


def fold_pixels(frames: Tensor, size: int) -> Tensor:
    """(B, C, F, H, W) -> (B, C size^2, F, H / size, W / size); channel order (c, row, column)."""
    if size == 1:
        return frames
    batch, channels, count, height, width = frames.shape
    folded = frames.reshape(batch, channels, count, height // size, size, width // size, size)
    return folded.permute(0, 1, 4, 6, 2, 3, 5).reshape(batch, -1, count, height // size, width // size)


def unfold_pixels(folded: Tensor, size: int) -> Tensor:
    """The inverse of `fold_pixels`."""
    if size == 1:
        return folded
    batch, channels, count, height, width = folded.shape
    frames = folded.reshape(batch, channels // size**2, size, size, count, height, width)
    return frames.permute(0, 1, 4, 5, 2, 6, 3).reshape(batch, -1, count, height * size, width * size)


class CausalVideoVAE(StoredModel, ConfigMixin):
    """Causal 3D VAE that compresses (4k + 1, H, W) pixels to (k + 1, H / 8, W / 8) latents of 16 channels.

    Parameters and configuration keys are those of diffusers' `AutoencoderKLHunyuanVideo`. Two keys are ours:
    `patch_size` folds that many pixels a side into channels before the first convolution (1 in the released
    weights), and `norm_type` chooses GroupNorm (the released weights) or a norm over channels that keeps the
    network strictly causal and independent of its surroundings.

    `encode` and `decode` deal in raw posteriors; `to_latents` and `to_frames` in normalised latents.
    """

    _supports_gradient_checkpointing = False
    _no_split_modules = ("ResnetBlock", "CausalAttention")

    @register_to_config
    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        latent_channels: int = 16,
        down_block_types: tuple[str, ...] = ("HunyuanVideoDownBlock3D",) * 4,
        up_block_types: tuple[str, ...] = ("HunyuanVideoUpBlock3D",) * 4,
        block_out_channels: tuple[int, ...] = (128, 256, 512, 512),
        layers_per_block: int = 2,
        act_fn: str = "silu",
        norm_num_groups: int = 32,
        scaling_factor: float = 0.476986,
        spatial_compression_ratio: int = 8,
        temporal_compression_ratio: int = 4,
        mid_block_add_attention: bool = True,
        patch_size: int = 1,
        norm_type: NormType = "group",
    ) -> None:
        super().__init__()
        self.encoder = Encoder(self.config)
        self.decoder = Decoder(self.config)
        self.quant_conv = nn.Conv3d(2 * latent_channels, 2 * latent_channels, kernel_size=1)
        self.post_quant_conv = nn.Conv3d(latent_channels, latent_channels, kernel_size=1)
        self.tiling: Tiling | None = None

    @classmethod
    def from_single_file(
        cls,
        path: Path | str,
        config: Path | str | Mapping[str, Any] | None = None,
        dtype: torch.dtype | None = None,
        note: Callable[[str], None] | None = None,
    ) -> Self:
        """Load one file, such as the official `pytorch_model.pt`; see `foundation.checkpoints.single_file`.

        Args:
            path: the weights.
            config: configuration; None: a `config.json` beside the file, else what the shapes tell.
            dtype: of the parameters; None: as the file has them.
            note: told what was taken for granted.
        """
        from foundation.checkpoints.single_file import load_single_file

        return load_single_file(cls, path, config, dtype, note)

    def enable_tiling(self, tiling: Tiling | None = None) -> None:
        """Encode and decode in overlapping tiles, by default the released weights' 256 pixels and 64 frames."""
        self.tiling = tiling or Tiling()

    def disable_tiling(self) -> None:
        """Encode and decode whole clips."""
        self.tiling = None

    @apply_forward_hook
    def encode(self, frames: Tensor) -> DiagonalGaussianDistribution:
        """Posterior of a clip: `.mean`, `.sample(generator)`, `.kl()`, raw (not normalised).

        Args:
            frames: (B, 3, F, H, W) in [-1, 1] with F = 4k + 1 and H, W multiples of 8.

        Raises:
            InputError: if the size does not fit.
        """
        self._check_frames(frames)
        moments = (
            self.tiling.encode(self._encode, frames, *self._ratios) if self.tiling else self._encode(frames)
        )
        return DiagonalGaussianDistribution(moments)  # moments: (B, 2 C, T, h, w)

    @apply_forward_hook
    def decode(self, raw: Tensor) -> Tensor:
        """(B, C, T, h, w) raw latents -> frames (B, 3, 1 + 4 (T - 1), 8 h, 8 w), about [-1, 1], not clamped."""
        if raw.ndim != 5 or raw.shape[1] != self.config.latent_channels:
            raise InputError(
                f"latents of shape {tuple(raw.shape)} do not fit: (B, {self.config.latent_channels}, T, H, W) expected"
            )
        return self.tiling.decode(self._decode, raw, *self._ratios) if self.tiling else self._decode(raw)

    def to_latents(self, frames: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Normalised latents of frames: a sample of the posterior with a generator, its mean without."""
        posterior = self.encode(frames)
        raw = posterior.mean if generator is None else posterior.sample(generator)
        return raw * self.config.scaling_factor

    def to_frames(self, latents: Tensor) -> Tensor:
        """Frames in [-1, 1] of normalised latents."""
        return self.decode(latents / self.config.scaling_factor).clamp(-1, 1)

    def forward(self, frames: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Reconstruction of `frames` from a sample of the posterior, and the KL divergence per clip (B,)."""
        posterior = self.encode(frames)
        return self.decode(posterior.sample(generator)), posterior.kl()

    def to_json_string(self) -> str:
        """The configuration as JSON; under diffusers' class name where it uses none of our own keys."""
        config = json.loads(super().to_json_string())
        if all(config[key] == plain for key, plain in OWN_KEYS.items()):
            config = {key: value for key, value in config.items() if key not in OWN_KEYS}
            config["_class_name"] = DIFFUSERS_CLASS
        return json.dumps(config, indent=2, sort_keys=True) + "\n"

    def _encode(self, frames: Tensor) -> Tensor:
        folded = fold_pixels(frames, self.config.patch_size)
        return self.quant_conv(self.encoder(folded.contiguous(memory_format=torch.channels_last_3d)))

    def _decode(self, raw: Tensor) -> Tensor:
        hidden_states = self.post_quant_conv(raw.contiguous(memory_format=torch.channels_last_3d))
        return unfold_pixels(self.decoder(hidden_states), self.config.patch_size)

    @property
    def _ratios(self) -> tuple[int, int]:
        return self.config.temporal_compression_ratio, self.config.spatial_compression_ratio

    def _check_frames(self, frames: Tensor) -> None:
        time, space = self._ratios
        if frames.ndim != 5 or frames.shape[1] != self.config.in_channels:
            raise InputError(f"frames of shape {tuple(frames.shape)} do not fit: (B, 3, F, H, W) expected")
        count, height, width = frames.shape[2:]
        if count % time != 1:
            nearest = max(0, round((count - 1) / time)) * time + 1
            raise InputError(f"{count} frames do not fit: {time}k + 1 are needed, for example {nearest}")
        if height % space or width % space or not height * width:
            raise InputError(f"{width}x{height} pixels do not fit: both sides must be multiples of {space}")
