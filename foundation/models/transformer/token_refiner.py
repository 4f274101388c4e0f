"""Refines the language model's causal states with two-way attention before they join the video (spec 1.5)."""

from __future__ import annotations

import torch
from diffusers.models.attention import FeedForward
from torch import Tensor, nn
from torch.nn import functional

from foundation.models.transformer.attention import SelfAttention
from foundation.models.transformer.conditioning import TextConditioning
from foundation.models.transformer.embeddings import SignalEmbedding

NORM_EPS = 1e-6
MLP_RATIO = 4.0


class RefinerGates(nn.Module):
    """Gates of attention and feed-forward, from the refiner's signal."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, 2 * dim)

    def forward(self, signal: Tensor) -> tuple[Tensor, Tensor]:
        """Map the signal (B, 1, D) to two gates (B, 1, D)."""
        attention, feed_forward = self.linear(functional.silu(signal)).chunk(2, dim=-1)
        return attention, feed_forward


class RefinerBlock(nn.Module):
    """Gated self-attention and feed-forward over the text."""

    def __init__(self, heads: int, head_dim: int) -> None:
        super().__init__()
        dim = heads * head_dim
        self.norm1 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.attn = SelfAttention(heads, head_dim, qk_norm=False, out=True)
        self.norm2 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.ff = FeedForward(dim, mult=MLP_RATIO, activation_fn="linear-silu")
        self.norm_out = RefinerGates(dim)

    def forward(self, hidden_states: Tensor, signal: Tensor, key_mask: Tensor | None) -> Tensor:
        """Refine text tokens (B, L, D)."""
        attention_gate, ff_gate = self.norm_out(signal)
        normed = self.norm1(hidden_states).to(hidden_states.dtype)
        (update,) = self.attn((normed,), (self.attn.projection(),), (None,), key_mask)
        hidden_states = torch.addcmul(hidden_states, update, attention_gate)
        update = self.ff(self.norm2(hidden_states).to(hidden_states.dtype))
        return torch.addcmul(hidden_states, update, ff_gate)


class RefinerStack(nn.Module):
    """The blocks, one level down as in diffusers' names."""

    def __init__(self, heads: int, head_dim: int, layers: int) -> None:
        super().__init__()
        self.refiner_blocks = nn.ModuleList(RefinerBlock(heads, head_dim) for _ in range(layers))

    def forward(self, hidden_states: Tensor, signal: Tensor, key_mask: Tensor | None) -> Tensor:
        """Refine text tokens (B, L, D)."""
        for block in self.refiner_blocks:
            hidden_states = block(hidden_states, signal, key_mask)
        return hidden_states


class TokenRefiner(nn.Module):
    """Language model states to text tokens of the transformer's width."""

    def __init__(self, text_dim: int, heads: int, head_dim: int, layers: int) -> None:
        super().__init__()
        dim = heads * head_dim
        self.time_text_embed = SignalEmbedding(dim, text_dim)
        self.proj_in = nn.Linear(text_dim, dim)
        self.token_refiner = RefinerStack(heads, head_dim, layers)

    def forward(self, text: TextConditioning, sigma: Tensor) -> Tensor:
        """Refine the text.

        Args:
            text: embeds (B, L, D_text) with their mask.
            sigma: (B,) noise levels.

        Returns:
            Text tokens (B, L, D). Rows of padding hold finite numbers without meaning: they are no one's key.
        """
        signal = self.time_text_embed(sigma, self._mean(text))
        key_mask = None
        if text.mask is not None:
            key_mask = text.mask[:, None, None].bool().clone()
            # A prompt without a single token still needs a visible key: softmax over nothing is not a number.
            key_mask[..., 0] = True
        return self.token_refiner(self.proj_in(text.embeds), signal, key_mask)

    @staticmethod
    def _mean(text: TextConditioning) -> Tensor:
        """Mean state of the real tokens, (B, D_text)."""
        if text.mask is None:
            return text.embeds.mean(dim=1)
        weight = text.mask.float()[..., None]
        mean = (text.embeds * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1.0)
        return mean.to(text.embeds.dtype)
