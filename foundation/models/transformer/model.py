"""The video transformer: noisy latents and conditions in, velocity out."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.loaders import PeftAdapterMixin
from diffusers.models.attention import AttentionMixin
from diffusers.models.cache_utils import CacheMixin
from torch import Tensor, nn
from torch.nn import functional

from foundation.models.stored import StoredModel
from foundation.models.transformer.blocks import NORM_EPS, BlockContext, SingleBlock, VideoBlock
from foundation.models.transformer.conditioning import Conditioning
from foundation.models.transformer.cross_attention import add_layers, check_contexts
from foundation.models.transformer.embeddings import (
    PatchEmbedding,
    PatchProjection,
    RotaryEmbedding,
    SignalEmbedding,
)
from foundation.models.transformer.token_refiner import TokenRefiner
from shared.errors import ConfigError, InputError

DIFFUSERS_CLASS = "HunyuanVideoTransformer3DModel"
OWN_KEYS = {"cross_attention": None}
"""Configuration keys that diffusers' class does not know, with the values that stand for its behaviour."""


class FinalNorm(nn.Module):
    """Norm before the output projection, scaled and shifted by the signal."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, 2 * dim)

    def forward(self, tokens: Tensor, signal: Tensor) -> Tensor:
        """Map tokens (B, N, D) and the signal (B, 1, D) to (B, N, D)."""
        scale, shift = self.linear(functional.silu(signal)).chunk(2, dim=-1)
        normed = functional.layer_norm(tokens, tokens.shape[-1:], eps=NORM_EPS).to(tokens.dtype)
        return torch.addcmul(shift, normed, 1 + scale)


class VideoTransformer(StoredModel, ConfigMixin, PeftAdapterMixin, CacheMixin, AttentionMixin):
    """The diffusion transformer (paper, "Unified image and video generative architecture"; spec section 1).

    Configuration keys and parameter names are those of diffusers' `HunyuanVideoTransformer3DModel`, and
    folders are exchanged with it in both directions.
    """

    _supports_gradient_checkpointing = True
    _no_split_modules = ["VideoBlock", "SingleBlock", "PatchEmbedding", "TokenRefiner"]  # noqa: RUF012
    _repeated_blocks = ["VideoBlock", "SingleBlock"]  # noqa: RUF012
    _skip_layerwise_casting_patterns = ["x_embedder", "context_embedder", "norm"]  # noqa: RUF012

    @register_to_config
    def __init__(
        self,
        in_channels: int = 16,
        out_channels: int = 16,
        num_attention_heads: int = 24,
        attention_head_dim: int = 128,
        num_layers: int = 20,
        num_single_layers: int = 40,
        num_refiner_layers: int = 2,
        mlp_ratio: float = 4.0,
        patch_size: int = 2,
        patch_size_t: int = 1,
        qk_norm: str = "rms_norm",
        guidance_embeds: bool = True,
        text_embed_dim: int = 4096,
        pooled_projection_dim: int = 768,
        rope_theta: float = 256.0,
        rope_axes_dim: tuple[int, ...] = (16, 56, 56),
        image_condition_type: Literal["latent_concat", "token_replace"] | None = None,
        cross_attention: dict[str, dict[str, Any]] | None = None,
    ) -> None:
        super().__init__()
        _check_config(
            qk_norm, image_condition_type, attention_head_dim, rope_axes_dim, in_channels, out_channels
        )
        heads, head_dim = num_attention_heads, attention_head_dim
        dim = heads * head_dim
        patch = (patch_size_t, patch_size, patch_size)

        self.x_embedder = PatchEmbedding(in_channels, dim, patch, base=out_channels)
        self.context_embedder = TokenRefiner(text_embed_dim, heads, head_dim, num_refiner_layers)
        self.time_text_embed = SignalEmbedding(dim, pooled_projection_dim, guidance_embeds)
        time_dim, height_dim, width_dim = rope_axes_dim
        self.rope = RotaryEmbedding(patch, (time_dim, height_dim, width_dim), rope_theta)
        self.transformer_blocks = nn.ModuleList(
            VideoBlock(heads, head_dim, mlp_ratio) for _ in range(num_layers)
        )
        self.single_transformer_blocks = nn.ModuleList(
            SingleBlock(heads, head_dim, mlp_ratio) for _ in range(num_single_layers)
        )
        self.norm_out = FinalNorm(dim)
        self.proj_out = nn.Linear(dim, out_channels * patch_size_t * patch_size**2)
        self.gradient_checkpointing = False
        for name, entry in (cross_attention or {}).items():
            add_layers(self, name, entry)

    def forward(self, latents: Tensor, sigma: Tensor, conditioning: Conditioning) -> Tensor:
        """Predict the velocity, noise minus data.

        Args:
            latents: (B, C, T, H, W), normalised, noisy; cast to the model's dtype.
            sigma: (B,) noise levels in [0, 1].
            conditioning: the conditions, on any device and in any floating dtype.

        Returns:
            (B, C, T, H, W) in the model's dtype (under autocast, in its dtype).

        Raises:
            InputError: sizes or channels that do not fit the model or one another.
            ConfigError: guidance or contexts that the model has no layers for, or guidance that it needs.
        """
        self._check(latents, sigma, conditioning)
        dtype = self.x_embedder.proj.weight.dtype
        conditioning = conditioning.to(latents.device, dtype)
        latents = latents.to(dtype)

        rope = self.rope(latents)
        video, text = self._embed(latents, conditioning), self.context_embedder(conditioning.text, sigma)
        signal = self.time_text_embed(
            sigma, conditioning.text.pooled, conditioning.guidance, conditioning.modulation
        )
        side = self._side(latents, video, sigma, conditioning)
        blocks = [*self.transformer_blocks, *self.single_transformer_blocks]
        for block in blocks:
            side = replace(side, last=block is blocks[-1])
            if self.gradient_checkpointing and torch.is_grad_enabled():
                video, text = self._gradient_checkpointing_func(block, video, text, signal, rope, side)
            else:
                video, text = block(video, text, signal, rope, side)
        return self._to_latents(self.proj_out(self.norm_out(video, signal)), latents)

    @classmethod
    def from_single_file(
        cls,
        path: Path | str,
        config: Path | str | Mapping[str, Any] | None = None,
        condition_type: Literal["latent_concat", "token_replace"] | None = None,
        dtype: torch.dtype | None = None,
        note: Callable[[str], None] | None = None,
    ) -> Self:
        """Load one file in the official or diffusers' layout; see `foundation.checkpoints.single_file`.

        Args:
            path: the weights.
            config: configuration; None: a `config.json` beside the file, else what the shapes tell.
            condition_type: `image_condition_type` of weights whose shapes do not tell it.
            dtype: of the parameters; None: as the file has them.
            note: told what was taken for granted.
        """
        from foundation.checkpoints.single_file import load_single_file

        return load_single_file(cls, path, config, dtype, note, image_condition_type=condition_type)

    def initialise(self) -> None:
        """Start values for training from scratch: every block the identity, the velocity zero (AdaLN-Zero).

        Linear layers are Xavier-uniform without bias; modulations, gates and the output projection are zero.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv3d):
                nn.init.xavier_uniform_(module.weight.view(module.weight.shape[0], -1))
                nn.init.zeros_(module.bias)
        blocks = [*self.context_embedder.token_refiner.refiner_blocks, *self.transformer_blocks]
        closed = [
            norm.linear for block in blocks for name, norm in block.named_children() if _is_gate(name, norm)
        ]
        closed += [block.norm.linear for block in self.single_transformer_blocks]
        for linear in [*closed, self.norm_out.linear, self.proj_out]:
            nn.init.zeros_(linear.weight)

    def to_json_string(self) -> str:
        """The configuration as JSON; under diffusers' class name where it holds diffusers' keys alone."""
        config = json.loads(super().to_json_string())
        if all(config[key] == plain for key, plain in OWN_KEYS.items()):
            config = {key: value for key, value in config.items() if key not in OWN_KEYS}
            config["_class_name"] = DIFFUSERS_CLASS
        return json.dumps(config, indent=2, sort_keys=True) + "\n"

    def _embed(self, latents: Tensor, conditioning: Conditioning) -> Tensor:
        """Latents and their extra channels to video tokens (B, N, D)."""
        if conditioning.channels is not None:
            latents = torch.cat([latents, conditioning.channels], dim=1)
        video = self.x_embedder(latents)
        return video if conditioning.tokens is None else video + conditioning.tokens

    def _side(
        self, latents: Tensor, video: Tensor, sigma: Tensor, conditioning: Conditioning
    ) -> BlockContext:
        key_mask = None
        if conditioning.text.mask is not None:
            mask = conditioning.text.mask.bool()
            key_mask = functional.pad(mask, (video.shape[1], 0), value=True)[:, None, None]
        clean = None
        if conditioning.clean_frames:
            frames = latents.shape[2] // self.config.patch_size_t
            count = video.shape[1] // frames * (conditioning.clean_frames // self.config.patch_size_t)
            pooled, modulation = conditioning.text.pooled, conditioning.modulation
            clean = self.time_text_embed(torch.zeros_like(sigma), pooled, modulation=modulation), count
        return BlockContext(key_mask, clean, conditioning.contexts)

    def _to_latents(self, output: Tensor, latents: Tensor) -> Tensor:
        """Patches (B, N, c * pt * ph * pw) back to (B, C, T, H, W)."""
        p, pt = self.config.patch_size, self.config.patch_size_t
        batch, _, *sizes = latents.shape
        t, h, w = sizes[0] // pt, sizes[1] // p, sizes[2] // p
        output = output.reshape(batch, t, h, w, -1, pt, p, p).permute(0, 4, 1, 5, 2, 6, 3, 7)
        return output.reshape(batch, -1, *sizes)

    def _check(self, latents: Tensor, sigma: Tensor, conditioning: Conditioning) -> None:
        config, text = self.config, conditioning.text
        channels = latents.shape[1] + (0 if conditioning.channels is None else conditioning.channels.shape[1])
        if channels != config.in_channels:
            raise InputError(
                f"latents and channels have {channels} channels; the model takes {config.in_channels}"
            )
        patch = (config.patch_size_t, config.patch_size, config.patch_size)
        sizes = tuple(latents.shape[2:])
        if any(size % unit for size, unit in zip(sizes, patch, strict=True)):
            raise InputError(f"latents are {sizes} (T, H, W); they must be multiples of the patch {patch}")
        if conditioning.channels is not None and conditioning.channels.shape[2:] != latents.shape[2:]:
            raise InputError(
                f"channels are {tuple(conditioning.channels.shape[2:])}; the latents are {sizes}"
            )
        if not len(latents) == len(text.embeds) == len(text.pooled) or sigma.shape != latents.shape[:1]:
            raise InputError(
                f"batch sizes differ: latents {len(latents)}, text {len(text.embeds)}, pooled "
                f"{len(text.pooled)}, sigma {tuple(sigma.shape)}"
            )
        widths = text.embeds.shape[-1], text.pooled.shape[-1]
        if widths != (config.text_embed_dim, config.pooled_projection_dim):
            expected = config.text_embed_dim, config.pooled_projection_dim
            raise InputError(f"text and pooled are {widths} wide; the model takes {expected}")
        if conditioning.clean_frames > sizes[0] or conditioning.clean_frames % config.patch_size_t:
            raise InputError(
                f"clean_frames is {conditioning.clean_frames}; the latents have {sizes[0]} frames"
            )
        if (conditioning.guidance is None) == config.guidance_embeds:
            state = (
                "needs embedded guidance and got none"
                if config.guidance_embeds
                else "has no embedded guidance"
            )
            raise ConfigError(f"this model {state}; set guidance exactly when guidance_embeds is true")
        if conditioning.contexts:
            patches = [size // unit for size, unit in zip(sizes, patch, strict=True)]
            check_contexts(
                conditioning.contexts,
                config.cross_attention or {},
                len(latents),
                patches[0],
                math.prod(patches),
            )


def widen_patch_embedding(model: VideoTransformer, in_channels: int) -> None:
    """Let a model take more channels: the first keep their weights, the new ones start at zero.

    The widened model's output equals the original's bit for bit, whatever finite numbers the channels hold.

    Args:
        model: changed in place, configuration included.
        in_channels: the new number, at least the present one.

    Raises:
        ConfigError: fewer channels than the model has.
    """
    narrow = model.x_embedder.proj
    if in_channels < narrow.in_channels:
        raise ConfigError(f"in_channels is {in_channels}; the model already takes {narrow.in_channels}")
    wide = PatchProjection(in_channels, narrow.out_channels, narrow.kernel_size, narrow.stride)
    wide = wide.to(narrow.weight.device, narrow.weight.dtype)
    wide.base = narrow.base
    with torch.no_grad():
        wide.weight.zero_()
        wide.weight[:, : narrow.in_channels] = narrow.weight
    wide.weight.requires_grad_(narrow.weight.requires_grad)
    wide.bias = narrow.bias
    model.x_embedder.proj = wide
    model.register_to_config(in_channels=in_channels)


def _check_config(
    qk_norm: str,
    condition: str | None,
    head_dim: int,
    axes_dim: tuple[int, ...],
    in_channels: int,
    out_channels: int,
) -> None:
    if qk_norm != "rms_norm":
        raise ConfigError(f"qk_norm is {qk_norm!r}; it must be 'rms_norm'")
    if condition not in (None, "latent_concat", "token_replace"):
        raise ConfigError(
            f"image_condition_type is {condition!r}; it must be null, 'latent_concat' or 'token_replace'"
        )
    if len(axes_dim) != 3 or sum(axes_dim) != head_dim or any(dim % 2 for dim in axes_dim):
        raise ConfigError(
            f"rope_axes_dim is {tuple(axes_dim)}; it must be three even numbers of sum {head_dim}"
        )
    if in_channels < out_channels:
        raise ConfigError(f"in_channels is {in_channels}; it must be at least out_channels {out_channels}")


def _is_gate(name: str, module: nn.Module) -> bool:
    return name in ("norm1", "norm1_context", "norm_out") and hasattr(module, "linear")
