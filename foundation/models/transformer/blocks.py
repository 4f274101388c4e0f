"""The transformer's blocks: a core that joins N streams in one attention, and the video model's two blocks.

Paper, section "Unified image and video generative architecture": double-stream blocks keep video and text
apart but for the attention; single-stream blocks treat the joined sequence as one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from diffusers.hooks._helpers import TransformerBlockMetadata, TransformerBlockRegistry
from diffusers.models.attention import FeedForward
from torch import Tensor, nn
from torch.nn import functional

from foundation.models.transformer.attention import (
    JointAttention,
    Projection,
    Rope,
    SelfAttention,
    VideoTextAttention,
)
from foundation.models.transformer.conditioning import Contexts, Place
from foundation.models.transformer.cross_attention import attend_contexts

NORM_EPS = 1e-6

CHUNK_TOKENS = {"cpu": 256}
"""Tokens that pass a feed-forward at a time where no gradient is wanted: on a CPU as many as its caches hold."""
CHUNK_TOKENS_ELSEWHERE = 8192
"""Enough to fill a GPU, and to read (or dequantise) the weights rarely."""

Clean = tuple[Tensor, int]
"""The signal (B, 1, D) of sigma = 0, and how many tokens from the front take it."""


@dataclass(frozen=True)
class BlockContext:
    """What every block is handed beside the tokens, the signal and the positions.

    Attributes:
        key_mask: (B, 1, 1, N + L) bool, True where a key may be seen; None when nothing is padded.
        clean: signal and count of the video tokens that carry no noise; None when there are none.
        contexts: keys and values of injected cross-attention, by name.
        last: the block is the model's last one: nobody reads its text tokens.
    """

    key_mask: Tensor | None = None
    clean: Clean | None = None
    contexts: Contexts = field(default_factory=dict)
    last: bool = False

    def to(
        self, device: Place = None, dtype: torch.dtype | None = None, non_blocking: bool = False
    ) -> BlockContext:
        """Move every tensor; only floating ones change their dtype. Offload hooks ask for it."""
        clean = self.clean and (self.clean[0].to(device, dtype, non_blocking=non_blocking), self.clean[1])
        contexts = {
            name: tuple(context.to(device, dtype, non_blocking) for context in group)
            for name, group in self.contexts.items()
        }
        mask = None if self.key_mask is None else self.key_mask.to(device, non_blocking=non_blocking)
        return replace(self, key_mask=mask, clean=clean, contexts=contexts)


@dataclass(frozen=True)
class Modulation:
    """How the signal moves one branch of a block: shift, scale and gate, (B, 1, D) each.

    With `clean`, the first tokens take another signal's modulation: two slices with two vectors, which costs
    nothing per token.
    """

    shift: Tensor
    scale: Tensor
    gate: Tensor
    clean: tuple[Modulation, int] | None = None

    def modulate(self, tokens: Tensor) -> Tensor:
        """Normalise and modulate on the way into the branch."""
        normed = functional.layer_norm(tokens, tokens.shape[-1:], eps=NORM_EPS).to(tokens.dtype)
        return self._by_slice(lambda own, x: torch.addcmul(own.shift, x, 1 + own.scale), normed)

    def apply_gate(self, tokens: Tensor, update: Tensor) -> Tensor:
        """Add the branch's gated update to the residual stream."""
        return self._by_slice(lambda own, x, y: torch.addcmul(x, y, own.gate), tokens, update)

    def _by_slice(self, apply: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
        if self.clean is None:
            return apply(self, *tensors)
        clean, count = self.clean
        front = apply(clean, *(tensor[:, :count] for tensor in tensors))
        return torch.cat([front, apply(self, *(tensor[:, count:] for tensor in tensors))], dim=1)


def token_by_token(layer: Callable[..., Tensor], *tokens: Tensor) -> Tensor:
    """Apply a layer that treats every token by itself, a chunk of tokens at a time.

    Its wide activation is then never whole in memory: at 720p and 129 frames it would fill 2.9 GB. Gradients need
    it whole, and a compiler sees to it by itself.

    Args:
        layer: (B, n, D_i)... to (B, n, D).
        tokens: (B, N, D_i) each; the first has the width and dtype of the result.
    """
    size = CHUNK_TOKENS.get(tokens[0].device.type, CHUNK_TOKENS_ELSEWHERE)
    if torch.is_grad_enabled() or torch.compiler.is_compiling() or tokens[0].shape[1] <= size:
        return layer(*tokens)
    out = torch.empty_like(tokens[0])
    for chunk, *parts in zip(*(tensor.split(size, dim=1) for tensor in (out, *tokens)), strict=True):
        chunk.copy_(layer(*parts))
    return out


class AdaptiveNorm(nn.Module):
    """Makes a block's modulations from the signal: two branches in a double block, one in a single block."""

    def __init__(self, dim: int, branches: int) -> None:
        super().__init__()
        self.branches = branches
        self.linear = nn.Linear(dim, 3 * branches * dim)

    def forward(self, signal: Tensor, clean: Clean | None = None) -> list[Modulation]:
        """Map the signal (B, 1, D) to one modulation per branch."""
        own = self._chunks(signal)
        if clean is None:
            return own
        return [
            replace(noisy, clean=(still, clean[1]))
            for noisy, still in zip(own, self._chunks(clean[0]), strict=True)
        ]

    def _chunks(self, signal: Tensor) -> list[Modulation]:
        parts = self.linear(functional.silu(signal)).chunk(3 * self.branches, dim=-1)
        return [Modulation(*parts[3 * i : 3 * i + 3]) for i in range(self.branches)]


@dataclass(frozen=True)
class Stream:
    """One token sequence of a joint block and the layers that it owns.

    Attributes:
        tokens: (B, n, D).
        norm: its two modulations, before the attention and before the feed-forward.
        projection: its way into and out of the attention.
        feed_forward: (B, n, D) to (B, n, D).
        signal: (B, 1, D), its own modulation signal.
        rope: its rotary table, or None.
        clean: signal and count of its leading noise-free tokens, or None.
    """

    tokens: Tensor
    norm: nn.Module
    projection: Projection
    feed_forward: nn.Module
    signal: Tensor
    rope: Rope | None = None
    clean: Clean | None = None


def join(
    attn: JointAttention, streams: Sequence[Stream], key_mask: Tensor | None = None
) -> tuple[Tensor, ...]:
    """Run a double-stream block over any number of streams: one attention for all, each its own rest.

    Args:
        attn: the block's attention.
        streams: in the order in which their tokens stand in the joint sequence.
        key_mask: (B, 1, 1, sum n_i) bool, or None.

    Returns:
        Every stream's new tokens, (B, n_i, D).
    """
    modulations = [stream.norm(stream.signal, stream.clean) for stream in streams]
    updates = attn(
        [before.modulate(stream.tokens) for stream, (before, _) in zip(streams, modulations, strict=True)],
        [stream.projection for stream in streams],
        [stream.rope for stream in streams],
        key_mask,
    )
    outputs = []
    for stream, (before, after), update in zip(streams, modulations, updates, strict=True):
        tokens = before.apply_gate(stream.tokens, update)
        outputs.append(after.apply_gate(tokens, token_by_token(stream.feed_forward, after.modulate(tokens))))
    return tuple(outputs)


class VideoBlock(nn.Module):
    """Double-stream block: video and text, each with its own layers, in one attention."""

    def __init__(self, heads: int, head_dim: int, mlp_ratio: float) -> None:
        super().__init__()
        dim = heads * head_dim
        self.norm1 = AdaptiveNorm(dim, branches=2)
        self.norm1_context = AdaptiveNorm(dim, branches=2)
        self.attn = VideoTextAttention(heads, head_dim)
        self.ff = FeedForward(dim, mult=mlp_ratio, activation_fn="gelu-approximate")
        self.ff_context = FeedForward(dim, mult=mlp_ratio, activation_fn="gelu-approximate")
        self.cross_attention = nn.ModuleDict()

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        signal: Tensor,
        rope: Rope,
        side: BlockContext,
    ) -> tuple[Tensor, Tensor]:
        """Update video tokens (B, N, D) and text tokens (B, L, D); the signal is (B, 1, D)."""
        attn = self.attn
        video = Stream(hidden_states, self.norm1, attn.projection(), self.ff, signal, rope, side.clean)
        text = Stream(
            encoder_hidden_states, self.norm1_context, attn.added_projection(), self.ff_context, signal
        )
        hidden_states, encoder_hidden_states = join(attn, (video, text), side.key_mask)
        hidden_states = attend_contexts(self.cross_attention, hidden_states, side.contexts)
        return hidden_states, encoder_hidden_states


class SingleBlock(nn.Module):
    """Single-stream block: attention and feed-forward side by side over the joined sequence."""

    def __init__(self, heads: int, head_dim: int, mlp_ratio: float) -> None:
        super().__init__()
        dim = heads * head_dim
        self.norm = AdaptiveNorm(dim, branches=1)
        self.attn = SelfAttention(heads, head_dim)
        self.proj_mlp = nn.Linear(dim, int(dim * mlp_ratio))
        self.proj_out = nn.Linear(dim + int(dim * mlp_ratio), dim)
        self.cross_attention = nn.ModuleDict()

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        signal: Tensor,
        rope: Rope,
        side: BlockContext,
    ) -> tuple[Tensor, Tensor]:
        """Update video tokens (B, N, D) and text tokens (B, L, D); the signal is (B, 1, D).

        In the model's last block the text tokens stay as they are.
        """
        length = hidden_states.shape[1]
        tokens = torch.cat([hidden_states, encoder_hidden_states], dim=1)
        (modulation,) = self.norm(signal, side.clean)
        entered = modulation.modulate(tokens)
        read = length if side.last else tokens.shape[1]
        (attended,) = self.attn((entered,), (self.attn.projection(),), (rope,), side.key_mask, read)
        update = token_by_token(self._feed_forward, attended, entered[:, :read])
        tokens = modulation.apply_gate(tokens[:, :read], update)
        video = attend_contexts(self.cross_attention, tokens[:, :length], side.contexts)
        return video, encoder_hidden_states if side.last else tokens[:, length:]

    def _feed_forward(self, attended: Tensor, entered: Tensor) -> Tensor:
        widened = functional.gelu(self.proj_mlp(entered), approximate="tanh")
        return self.proj_out(torch.cat([attended, widened], dim=-1))


for _block in (VideoBlock, SingleBlock):
    TransformerBlockRegistry.register(
        _block,
        TransformerBlockMetadata(return_hidden_states_index=0, return_encoder_hidden_states_index=1),
    )
