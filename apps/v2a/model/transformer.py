"""The sound transformer: noisy latents of a sound, a picture's features and a text in, velocity out.

Paper, section "Audio Generation based on Video": triple-stream blocks (audio, video, text), then single-stream ones;
visual and text features each pass a linear layer and SwiGLU.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.loaders import PeftAdapterMixin
from diffusers.models.attention import AttentionMixin, FeedForward
from diffusers.models.cache_utils import CacheMixin
from torch import Tensor, nn
from torch.nn import functional

from apps.v2a.model.blocks import TripleBlock
from apps.v2a.model.conditioning import AudioConditioning
from foundation.models.stored import StoredModel
from foundation.models.transformer.attention import Rope
from foundation.models.transformer.blocks import AdaptiveNorm, BlockContext, SingleBlock
from foundation.models.transformer.embeddings import RotaryEmbedding, SignalEmbedding
from foundation.models.transformer.model import FinalNorm
from shared.errors import InputError

FEATURES_RATIO = 1.0
"""Width within a feature projection's SwiGLU, in widths of the transformer."""


class AudioEmbedding(nn.Module):
    """Latents of a sound to tokens, one for each latent frame, its mel bands folded into channels."""

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Linear(channels, dim)

    def forward(self, latents: Tensor) -> Tensor:
        """Map (B, C, T, K) to (B, T, dim)."""
        return self.proj(latents.transpose(1, 2).flatten(2))


class FeatureProjection(nn.Module):
    """A linear layer and SwiGLU: an encoder's features in the transformer's width."""

    def __init__(self, features: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Linear(features, dim)
        self.ff = FeedForward(dim, mult=FEATURES_RATIO, activation_fn="swiglu")

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, n, features) to (B, n, dim)."""
        return self.ff(self.proj(features))


class AudioTransformer(StoredModel, ConfigMixin, PeftAdapterMixin, CacheMixin, AttentionMixin):
    """The diffusion transformer of sounds.

    `visual_dims` names the encoders whose features it takes, and how wide they are. Their projections are summed: a
    further encoder needs a further entry and nothing else.
    """

    _supports_gradient_checkpointing = True
    _no_split_modules = ["TripleBlock", "SingleBlock"]  # noqa: RUF012
    _repeated_blocks = ["TripleBlock", "SingleBlock"]  # noqa: RUF012
    _skip_layerwise_casting_patterns = ["x_embedder", "_embedder", "norm", "null_"]  # noqa: RUF012

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 8,
        latent_bands: int = 8,
        num_attention_heads: int = 4,
        attention_head_dim: int = 32,
        num_layers: int = 1,
        num_single_layers: int = 4,
        mlp_ratio: float = 4.0,
        text_embed_dim: int = 64,
        visual_dims: Mapping[str, int] | None = None,
        rope_theta: float = 10_000.0,
    ) -> None:
        super().__init__()
        heads, head_dim = num_attention_heads, attention_head_dim
        dim, channels = heads * head_dim, latent_channels * latent_bands
        self.x_embedder = AudioEmbedding(channels, dim)
        self.visual_embedder = nn.ModuleDict(
            {name: FeatureProjection(width, dim) for name, width in (visual_dims or {}).items()}
        )
        self.text_embedder = FeatureProjection(text_embed_dim, dim)
        self.null_video = nn.Parameter(torch.randn(1, 1, dim) * 0.02)
        self.null_text = nn.Parameter(torch.randn(1, 1, dim) * 0.02)
        self.video_to_audio = nn.Linear(dim, dim)
        self.time_text_embed = SignalEmbedding(dim, dim)
        self.rope = RotaryEmbedding((1, 1, 1), (head_dim, 0, 0), rope_theta)
        self.transformer_blocks = nn.ModuleList(
            TripleBlock(heads, head_dim, mlp_ratio) for _ in range(num_layers)
        )
        self.single_transformer_blocks = nn.ModuleList(
            SingleBlock(heads, head_dim, mlp_ratio) for _ in range(num_single_layers)
        )
        self.norm_out = FinalNorm(dim)
        self.proj_out = nn.Linear(dim, channels)
        self.gradient_checkpointing = False

    def forward(self, latents: Tensor, sigma: Tensor, conditioning: AudioConditioning) -> Tensor:
        """Predict the velocity, noise minus data.

        Audio token i and the video token beside it stand at position i; text has no position. Audio tokens are given
        the video's of their own moment at once, as Foley models are, so that timing need not wait for attention.

        Args:
            latents: (B, C, T, K), normalised, noisy; cast to the model's dtype.
            sigma: (B,) noise levels in [0, 1].
            conditioning: on any device and in any floating dtype.

        Returns:
            (B, C, T, K) in the model's dtype (under autocast, in its dtype).

        Raises:
            InputError: shapes that do not fit the model or one another.
        """
        self._check(latents, sigma, conditioning)
        dtype = self.x_embedder.proj.weight.dtype
        conditioning = conditioning.to(latents.device, dtype)
        audio = self.x_embedder(latents.to(dtype))
        video, text = self._video(audio, conditioning), self._text(audio, conditioning)
        audio = audio + self.video_to_audio(video)
        signal = self.time_text_embed(sigma, video.mean(dim=1) + _mean(text, conditioning.mask))
        rope, key_mask = self._positions(latents), _key_mask(conditioning.mask, 2 * audio.shape[1])

        context = torch.cat([video, text], dim=1)
        blocks = [*self.transformer_blocks, *self.single_transformer_blocks]
        for block in blocks:
            side = BlockContext(key_mask, last=block is blocks[-1])
            if self.gradient_checkpointing and torch.is_grad_enabled():
                audio, context = self._gradient_checkpointing_func(block, audio, context, signal, rope, side)
            else:
                audio, context = block(audio, context, signal, rope, side)
        velocity = self.proj_out(self.norm_out(audio, signal))
        return velocity.unflatten(-1, (self.config.latent_channels, -1)).transpose(1, 2)

    def initialise(self) -> None:
        """Start values for training from nothing: every block the identity, the velocity zero (AdaLN-Zero)."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        closed = [module.linear for module in self.modules() if isinstance(module, AdaptiveNorm | FinalNorm)]
        for linear in [*closed, self.proj_out]:
            nn.init.zeros_(linear.weight)

    def _video(self, audio: Tensor, conditioning: AudioConditioning) -> Tensor:
        """Video tokens (B, T, D), one for each audio token."""
        null = self.null_video.to(audio.dtype).expand_as(audio)
        if not conditioning.visual:
            return null
        tokens = torch.stack(
            [self.visual_embedder[name](rows) for name, rows in conditioning.visual.items()]
        ).sum(dim=0)
        return _kept(tokens, conditioning.has_video, null)

    def _text(self, audio: Tensor, conditioning: AudioConditioning) -> Tensor:
        """Text tokens (B, L, D); the null text is one token."""
        null = self.null_text.to(audio.dtype)
        if conditioning.text is None:
            return null.expand(len(audio), -1, -1)
        return _kept(self.text_embedder(conditioning.text), conditioning.has_text, null)

    def _positions(self, latents: Tensor) -> Rope:
        """The rotary table of audio and video, one after the other, both from position 0."""
        cos, sin = self.rope(latents[..., :1, None])
        return torch.cat([cos, cos]), torch.cat([sin, sin])

    def _check(self, latents: Tensor, sigma: Tensor, conditioning: AudioConditioning) -> None:
        config = self.config
        shape, wanted = tuple(latents.shape), (config.latent_channels, config.latent_bands)
        if latents.ndim != 4 or (shape[1], shape[3]) != wanted or sigma.shape != shape[:1]:
            raise InputError(
                f"latents are {shape} and sigma {tuple(sigma.shape)}; the model takes (B, {wanted[0]}, T, "
                f"{wanted[1]}) and (B,)"
            )
        dims = dict(config.visual_dims or {})
        given = {name: tuple(rows.shape) for name, rows in conditioning.visual.items()}
        fitting = {name: (shape[0], shape[2], width) for name, width in dims.items()}
        if given and given != fitting:
            raise InputError(f"visual features are {given}; with these latents the model takes {fitting}")
        text = conditioning.text
        if text is not None and (len(text), text.shape[-1]) != (shape[0], config.text_embed_dim):
            raise InputError(
                f"text is {tuple(text.shape)}; the model takes ({shape[0]}, L, {config.text_embed_dim})"
            )


def _kept(tokens: Tensor, rows: Tensor | None, null: Tensor) -> Tensor:
    """Tokens (B, n, D), those of rows that are not kept replaced."""
    return tokens if rows is None else torch.where(rows[:, None, None], tokens, null)


def _mean(tokens: Tensor, mask: Tensor | None) -> Tensor:
    """The mean of real tokens, (B, D)."""
    if mask is None:
        return tokens.mean(dim=1)
    weight = mask.to(tokens.dtype)[..., None]
    return (tokens * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)


def _key_mask(mask: Tensor | None, before: int) -> Tensor | None:
    """(B, 1, 1, before + L), True where a key may be seen; None where all may."""
    if mask is None:
        return None
    return functional.pad(mask, (before, 0), value=True)[:, None, None]
