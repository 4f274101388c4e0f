"""One attention over any number of token streams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from diffusers.models.attention import AttentionModuleMixin
from diffusers.models.attention_dispatch import dispatch_attention_fn
from torch import Tensor, nn
from torch.nn import functional

Rope = tuple[Tensor, Tensor]
"""Cosines and sines (n, head_dim / 2), float32, of a stream's first n positions."""

QK_NORM_EPS = 1e-6


class HeadNorm(nn.Module):
    """Root-mean-square norm over the head dimension, computed in float32 (spec: qk-norm)."""

    def __init__(self, head_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(head_dim))

    def forward(self, heads: Tensor) -> Tensor:
        """Map (B, n, heads, head_dim) to its normalised float32."""
        return functional.rms_norm(heads.float(), self.weight.shape, self.weight.float(), QK_NORM_EPS)


@dataclass(frozen=True)
class Projection:
    """The layers through which one stream enters and leaves a joint attention.

    They may live on the attention module or beside it; `to_qkv`, when fused, stands for the first three.
    """

    to_q: nn.Module
    to_k: nn.Module
    to_v: nn.Module
    to_out: nn.Module | None = None
    norm_q: nn.Module | None = None
    norm_k: nn.Module | None = None
    to_qkv: nn.Module | None = None

    def heads(self, tokens: Tensor, heads: int, rope: Rope | None) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value (B, n, heads, head_dim): projected, normalised, rotated."""
        turns = None if rope is None else _turns(rope, tokens.shape[1])
        if self.to_qkv is not None:
            query, key, value = (
                part.unflatten(-1, (heads, -1)) for part in self.to_qkv(tokens).chunk(3, dim=-1)
            )
            return _ready(query, self.norm_q, turns), _ready(key, self.norm_k, turns), value
        # One after the other: only one of them is in memory twice.
        query = _ready(self.to_q(tokens).unflatten(-1, (heads, -1)), self.norm_q, turns)
        key = _ready(self.to_k(tokens).unflatten(-1, (heads, -1)), self.norm_k, turns)
        return query, key, self.to_v(tokens).unflatten(-1, (heads, -1))


def _ready(part: Tensor, norm: nn.Module | None, turns: Tensor | None) -> Tensor:
    """A query or key (B, n, heads, head_dim), normalised and rotated."""
    if norm is not None:
        part = norm(part)
    return part if turns is None else _rotate(part, turns)


def _turns(rope: Rope, length: int) -> Tensor:
    """Complex rotations (length, 1, head_dim / 2); tokens beyond the table stay as they are."""
    cos, sin = rope
    rest = length - cos.shape[0]
    if rest:
        cos, sin = functional.pad(cos, (0, 0, 0, rest), value=1.0), functional.pad(sin, (0, 0, 0, rest))
    return torch.complex(cos, sin)[:, None]


def _rotate(heads: Tensor, turns: Tensor) -> Tensor:
    """Turn interleaved channel pairs (2i, 2i + 1) by their angle, in float32."""
    pairs = torch.view_as_complex(heads.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turns).flatten(-2)


class JointAttentionProcessor:
    """Projects each stream, attends over all of them at once, projects each back."""

    _attention_backend = None
    _parallel_config = None

    def __call__(
        self,
        attn: JointAttention,
        streams: Sequence[Tensor],
        projections: Sequence[Projection],
        ropes: Sequence[Rope | None],
        key_mask: Tensor | None,
        read: int | None,
    ) -> tuple[Tensor, ...]:
        """Attend; see `JointAttention.forward`."""
        parts = [
            projection.heads(tokens, attn.heads, rope)
            for tokens, projection, rope in zip(streams, projections, ropes, strict=True)
        ]
        dtype = parts[0][2].dtype
        query, key, value = (
            part[0] if len(part) == 1 else torch.cat(part, dim=1) for part in zip(*parts, strict=True)
        )
        joint = self._attend(query[:, :read], key, value, key_mask).flatten(2).to(dtype)
        lengths = [tokens.shape[1] for tokens in streams]
        outputs = (joint,) if read is not None else joint.split(lengths, dim=1)
        return tuple(
            output if projection.to_out is None else projection.to_out(output)
            for output, projection in zip(outputs, projections, strict=True)
        )

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, key_mask: Tensor | None) -> Tensor:
        # The CPU kernel's backward pass in bfloat16 takes three times as long as in float32.
        training_on_cpu = value.requires_grad and value.device.type == "cpu"
        dtype = torch.float32 if training_on_cpu else value.dtype
        with torch.autocast(value.device.type, enabled=False):
            return dispatch_attention_fn(
                query.to(dtype),
                key.to(dtype),
                value.to(dtype),
                attn_mask=key_mask,
                backend=self._attention_backend,
                parallel_config=self._parallel_config,
            )


class JointAttention(nn.Module, AttentionModuleMixin):
    """A block's attention: owns how to attend, and in subclasses the projections."""

    _default_processor_cls = JointAttentionProcessor
    _available_processors = [JointAttentionProcessor]  # noqa: RUF012 (the mixin's own declaration)
    _supports_qkv_fusion = False

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.set_processor(JointAttentionProcessor())

    def forward(
        self,
        streams: Sequence[Tensor],
        projections: Sequence[Projection],
        ropes: Sequence[Rope | None],
        key_mask: Tensor | None = None,
        read: int | None = None,
    ) -> tuple[Tensor, ...]:
        """Attend over all streams at once.

        Args:
            streams: (B, n_i, D) each.
            projections: the layers of each stream.
            ropes: each stream's rotary table, or None for no rotation.
            key_mask: (B, 1, 1, sum n_i) bool, True where a key may be seen; None for everywhere.
            read: of a single stream, how many tokens from the front get an update; None for all.

        Returns:
            One update (B, n_i, D) per stream.
        """
        return self.processor(self, streams, projections, ropes, key_mask, read)


class SelfAttention(JointAttention):
    """Attention that owns the projections of one stream, under diffusers' names."""

    _supports_qkv_fusion = True
    use_bias = True

    def __init__(self, heads: int, head_dim: int, qk_norm: bool = True, out: bool = False) -> None:
        super().__init__(heads)
        dim = heads * head_dim
        self.to_q, self.to_k, self.to_v = (nn.Linear(dim, dim) for _ in range(3))
        self.norm_q = HeadNorm(head_dim) if qk_norm else None
        self.norm_k = HeadNorm(head_dim) if qk_norm else None
        self.to_out = nn.ModuleList([nn.Linear(dim, dim)]) if out else None

    def projection(self) -> Projection:
        """The stream's layers as they are now (adapters replace them)."""
        return Projection(
            self.to_q,
            self.to_k,
            self.to_v,
            None if self.to_out is None else self.to_out[0],
            self.norm_q,
            self.norm_k,
            self.to_qkv if self.fused_projections else None,
        )


class VideoTextAttention(SelfAttention):
    """Attention that owns the projections of the video stream and of the text stream."""

    added_proj_bias = True

    def __init__(self, heads: int, head_dim: int) -> None:
        super().__init__(heads, head_dim, out=True)
        dim = heads * head_dim
        self.add_q_proj, self.add_k_proj, self.add_v_proj = (nn.Linear(dim, dim) for _ in range(3))
        self.norm_added_q, self.norm_added_k = HeadNorm(head_dim), HeadNorm(head_dim)
        self.to_add_out = nn.Linear(dim, dim)

    def added_projection(self) -> Projection:
        """The text stream's layers as they are now."""
        return Projection(
            self.add_q_proj,
            self.add_k_proj,
            self.add_v_proj,
            self.to_add_out,
            self.norm_added_q,
            self.norm_added_k,
            self.to_added_qkv if self.fused_projections else None,
        )
