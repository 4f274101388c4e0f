"""The sound model's joint block: audio, video and text, apart but for the attention (paper, figure 18).

What a block computes is the foundation's: this module only says which layers each stream owns.
"""

from __future__ import annotations

import torch
from diffusers.hooks._helpers import TransformerBlockMetadata, TransformerBlockRegistry
from diffusers.models.attention import FeedForward
from torch import Tensor, nn

from foundation.models.transformer.attention import HeadNorm, JointAttention, Projection, Rope
from foundation.models.transformer.blocks import AdaptiveNorm, BlockContext, Stream, join

STREAMS = ("audio", "video", "text")


def stream_layers(heads: int, head_dim: int, mlp_ratio: float) -> nn.ModuleDict:
    """The layers that one stream owns in a block."""
    dim = heads * head_dim
    return nn.ModuleDict(
        {
            "norm": AdaptiveNorm(dim, branches=2),
            **{name: nn.Linear(dim, dim) for name in ("to_q", "to_k", "to_v", "to_out")},
            "norm_q": HeadNorm(head_dim),
            "norm_k": HeadNorm(head_dim),
            "ff": FeedForward(dim, mult=mlp_ratio, activation_fn="gelu-approximate"),
        }
    )


class TripleBlock(nn.Module):
    """Triple-stream block: audio, video and text attend to each other, each with its own projections."""

    def __init__(self, heads: int, head_dim: int, mlp_ratio: float) -> None:
        super().__init__()
        self.attn = JointAttention(heads)
        self.audio, self.video, self.text = (stream_layers(heads, head_dim, mlp_ratio) for _ in STREAMS)

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        signal: Tensor,
        rope: Rope,
        side: BlockContext,
    ) -> tuple[Tensor, Tensor]:
        """Update audio tokens (B, N, D) and, one after the other, video and text tokens (B, N + L, D).

        The arguments are those of the foundation's blocks, so that what looks for them there finds them here. The
        rotary table is that of audio and video, (2N, head_dim / 2); the signal is (B, 1, D).
        """
        length = hidden_states.shape[1]
        video, text = encoder_hidden_states[:, :length], encoder_hidden_states[:, length:]
        cos, sin = rope
        own = cos[:length], sin[:length]
        hidden_states, video, text = join(
            self.attn,
            (
                _stream(self.audio, hidden_states, signal, own),
                _stream(self.video, video, signal, own),
                _stream(self.text, text, signal, None),
            ),
            side.key_mask,
        )
        return hidden_states, torch.cat([video, text], dim=1)


def _stream(layers: nn.ModuleDict, tokens: Tensor, signal: Tensor, rope: Rope | None) -> Stream:
    projection = Projection(
        layers["to_q"],
        layers["to_k"],
        layers["to_v"],
        layers["to_out"],
        layers["norm_q"],
        layers["norm_k"],
    )
    return Stream(tokens, layers["norm"], projection, layers["ff"], signal, rope)


TransformerBlockRegistry.register(
    TripleBlock, TransformerBlockMetadata(return_hidden_states_index=0, return_encoder_hidden_states_index=1)
)
