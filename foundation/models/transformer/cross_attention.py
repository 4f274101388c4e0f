"""Cross-attention layers that an application adds to the blocks of a video transformer.

Source: HunyuanVideo, arXiv 2412.03603, section "Avatar animation": after block i the hidden states of the video become
h_i + Attn(h_i, z, z) * M, where z are the context's tokens of the same latent frame and M is a mask over video tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from diffusers.models.attention import AttentionModuleMixin
from diffusers.models.attention_dispatch import dispatch_attention_fn
from torch import Tensor, nn
from torch.nn import functional

from foundation.models.transformer.attention import HeadNorm
from foundation.models.transformer.conditioning import Context, Contexts
from shared.errors import ConfigError, InputError

if TYPE_CHECKING:
    from foundation.models.transformer.model import VideoTransformer

NORM_EPS = 1e-6


@dataclass(frozen=True)
class CrossAttentionConfig:
    """Where a model has cross-attention of one name.

    Attributes:
        blocks: numbers of the blocks that have the layer, counted over double, then single blocks.
        context_dim: width D_c of the context's tokens.
    """

    blocks: tuple[int, ...]
    context_dim: int

    @classmethod
    def parse(cls, name: str, values: Mapping[str, Any], block_count: int) -> CrossAttentionConfig:
        """Check one entry of the configuration key `cross_attention`.

        Raises:
            ConfigError: a block that the model does not have, a block named twice, or a width below 1.
        """
        blocks, width = tuple(values.get("blocks", ())), values.get("context_dim")
        whole = all(isinstance(block, int) and not isinstance(block, bool) for block in blocks)
        if not blocks or not whole or len(set(blocks)) < len(blocks):
            raise ConfigError(f"cross_attention.{name}.blocks: distinct block numbers expected, got {blocks}")
        if min(blocks) < 0 or max(blocks) >= block_count:
            raise ConfigError(
                f"cross_attention.{name}.blocks: numbers from 0 to {block_count - 1} expected, got {blocks}"
            )
        if not isinstance(width, int) or width < 1:
            raise ConfigError(
                f"cross_attention.{name}.context_dim: a whole number from 1 expected, got {width}"
            )
        return cls(blocks, width)


class CrossAttentionProcessor:
    """Attends from the tokens of each latent frame to the context's tokens of that frame."""

    _attention_backend = None
    _parallel_config = None

    def __call__(self, attn: CrossAttention, hidden_states: Tensor, context: Tensor) -> Tensor:
        """(B, n, D) and (B, m, D_c) -> (B, n, D)."""
        query = attn.norm_q(attn.to_q(hidden_states).unflatten(-1, (attn.heads, -1)))
        key = attn.norm_k(attn.to_k(context).unflatten(-1, (attn.heads, -1)))
        value = attn.to_v(context).unflatten(-1, (attn.heads, -1))
        attended = dispatch_attention_fn(
            query.to(value.dtype),
            key.to(value.dtype),
            value,
            backend=self._attention_backend,
            parallel_config=self._parallel_config,
        )
        return attn.to_out(attended.flatten(2))


class CrossAttention(nn.Module, AttentionModuleMixin):
    """Attention from video tokens to the tokens of a context, frame by frame, with a zero-initialised output.

    Args:
        heads: number of heads.
        head_dim: width of a head; video tokens are heads * head_dim wide.
        context_dim: width D_c of the context's tokens.
    """

    _default_processor_cls = CrossAttentionProcessor
    _available_processors = [CrossAttentionProcessor]  # noqa: RUF012 (the mixin's own declaration)
    _supports_qkv_fusion = False

    def __init__(self, heads: int, head_dim: int, context_dim: int) -> None:
        super().__init__()
        self.heads = heads
        dim = heads * head_dim
        self.to_q = nn.Linear(dim, dim)
        self.to_k, self.to_v = (nn.Linear(context_dim, dim) for _ in range(2))
        self.norm_q, self.norm_k = HeadNorm(head_dim), HeadNorm(head_dim)
        self.to_out = nn.Linear(dim, dim)
        nn.init.zeros_(self.to_out.weight)
        nn.init.zeros_(self.to_out.bias)
        self.set_processor(CrossAttentionProcessor())

    def forward(self, hidden_states: Tensor, context: Context) -> Tensor:
        """The update of the video tokens (B, T * n, D), times the context's mask and strength."""
        frames = context.tokens.shape[1]
        normed = functional.layer_norm(hidden_states, hidden_states.shape[-1:], eps=NORM_EPS)
        by_frame = normed.to(hidden_states.dtype).unflatten(1, (frames, -1)).flatten(0, 1)
        update = self.processor(self, by_frame, context.tokens.flatten(0, 1))
        update = update.unflatten(0, (-1, frames)).flatten(1, 2) * context.strength
        return update if context.mask is None else update * context.mask


def attend_contexts(layers: nn.ModuleDict, hidden_states: Tensor, contexts: Contexts) -> Tensor:
    """Add what a block's cross-attention layers read from their contexts to the video tokens (B, N, D).

    Contexts of one name are read side by side and summed; a layer without a context changes nothing.
    """
    updates = [
        layer(hidden_states, context) for name, layer in layers.items() for context in contexts.get(name, ())
    ]
    return hidden_states if not updates else torch.stack([hidden_states, *updates]).sum(0)


def inject_cross_attention(
    model: VideoTransformer, name: str, blocks: Iterable[int], context_dim: int
) -> None:
    """Give blocks of a model cross-attention layers; the output stays the same bit for bit until they are trained.

    Args:
        model: changed in place, its configuration key `cross_attention` included.
        name: of the context, a Python identifier such as `audio`.
        blocks: block numbers, counted over double, then single blocks.
        context_dim: width D_c of the context's tokens.

    Raises:
        ConfigError: the name is taken or no identifier, or a block or the width does not fit.
    """
    present = dict(model.config.cross_attention or {})
    if name in present or not name.isidentifier():
        state = "is there already" if name in present else "is no identifier"
        raise ConfigError(f"cross-attention of the name {name!r} {state}: choose another name")
    entry = {"blocks": list(blocks), "context_dim": context_dim}
    add_layers(model, name, entry)
    model.register_to_config(cross_attention={**present, name: entry})


def add_layers(model: VideoTransformer, name: str, entry: Mapping[str, Any]) -> None:
    """Add the layers that one entry of the configuration describes; see `inject_cross_attention`."""
    every = [*model.transformer_blocks, *model.single_transformer_blocks]
    config = CrossAttentionConfig.parse(name, entry, len(every))
    example = next(model.parameters())
    for number in config.blocks:
        layer = CrossAttention(
            model.config.num_attention_heads, model.config.attention_head_dim, config.context_dim
        )
        every[number].cross_attention[name] = layer.to(example.device, example.dtype)


def check_contexts(
    contexts: Contexts, known: Mapping[str, Mapping[str, Any]], batch: int, frames: int, tokens: int
) -> None:
    """Refuse contexts that a model's layers cannot read.

    Args:
        contexts: of the conditioning.
        known: the model's configuration key `cross_attention`.
        batch: B.
        frames: T, latent frames after the patch embedding.
        tokens: N, video tokens.

    Raises:
        ConfigError: a context for which the model has no layers.
        InputError: tokens or a mask of another shape.
    """
    for name, group in contexts.items():
        if name not in known:
            raise ConfigError(
                f"contexts given for {name}; this model has cross-attention for {', '.join(known) or 'none'}"
            )
        width = known[name]["context_dim"]
        for context in group:
            shape = tuple(context.tokens.shape)
            if len(shape) != 4 or (*shape[:2], shape[3]) != (batch, frames, width):
                raise InputError(
                    f"context {name}: tokens ({batch}, {frames}, n, {width}) expected, got {shape}"
                )
            if context.mask is not None and tuple(context.mask.shape) != (batch, tokens, 1):
                raise InputError(
                    f"context {name}: a mask ({batch}, {tokens}, 1) expected, got {tuple(context.mask.shape)}"
                )
