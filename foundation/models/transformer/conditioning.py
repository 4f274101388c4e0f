"""What the transformer is told beside the latents: a frozen record with a slot per kind of condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from shared.errors import InputError

Place = torch.device | str | None


def _moved(value: Tensor, device: Place, dtype: torch.dtype | None, non_blocking: bool) -> Tensor:
    return value.to(device, dtype if value.is_floating_point() else None, non_blocking=non_blocking)


@dataclass(frozen=True)
class TextConditioning:
    """Encoded prompts.

    Attributes:
        embeds: (B, L, D_text), the language model's states of the prompt's own tokens.
        mask: (B, L) bool, True where a token is real; None when every row has L real tokens.
        pooled: (B, D_pool), one vector per prompt.
    """

    embeds: Tensor
    mask: Tensor | None
    pooled: Tensor

    def to(
        self, device: Place = None, dtype: torch.dtype | None = None, non_blocking: bool = False
    ) -> TextConditioning:
        """Move every tensor; only floating ones change their dtype."""
        return TextConditioning(
            _moved(self.embeds, device, dtype, non_blocking),
            None if self.mask is None else _moved(self.mask, device, None, non_blocking),
            _moved(self.pooled, device, dtype, non_blocking),
        )

    def trimmed(self) -> TextConditioning:
        """Cut the padding down to the longest prompt; without a mask where all are equally long.

        Call it once, when the text is encoded: it reads the mask on the host. Unmasked text lets attention
        take any backend, so a batch of equal lengths, a single prompt above all, should carry no mask.
        """
        if self.mask is None:
            return self
        mask = self.mask.bool()
        used = mask.any(dim=0).nonzero()
        length = int(used[-1]) + 1 if len(used) else 1
        mask = mask[:, :length]
        return TextConditioning(self.embeds[:, :length], None if bool(mask.all()) else mask, self.pooled)

    @staticmethod
    def batch(items: Sequence[TextConditioning]) -> TextConditioning:
        """Stack prompts of different lengths, padded on the right to the longest.

        Args:
            items: records of any batch size, each without a mask or masked on the right.
        """
        rows, lengths = [], []
        for item in items:
            counts = (
                [item.embeds.shape[1]] * len(item.embeds) if item.mask is None else item.mask.sum(1).tolist()
            )
            rows += [row[: int(count)] for row, count in zip(item.embeds, counts, strict=True)]
            lengths += [int(count) for count in counts]
        embeds = pad_sequence(rows, batch_first=True)
        longest = embeds.shape[1]
        mask = None
        if min(lengths) < longest:
            mask = (
                torch.arange(longest, device=embeds.device)
                < torch.tensor(lengths, device=embeds.device)[:, None]
            )
        return TextConditioning(embeds, mask, torch.cat([item.pooled for item in items]))


@dataclass(frozen=True)
class Context:
    """Keys and values for cross-attention inside the blocks.

    Attributes:
        tokens: (B, T, n, D_c), n tokens for each latent frame.
        mask: (B, N, 1), how much each video token takes of the answer; None for all of it.
        strength: factor on the answer.
    """

    tokens: Tensor
    mask: Tensor | None = None
    strength: float = 1.0

    def to(
        self, device: Place = None, dtype: torch.dtype | None = None, non_blocking: bool = False
    ) -> Context:
        """Move every tensor; only floating ones change their dtype."""
        tokens = _moved(self.tokens, device, dtype, non_blocking)
        mask = None if self.mask is None else _moved(self.mask, device, dtype, non_blocking)
        return Context(tokens, mask, self.strength)


Contexts = Mapping[str, tuple[Context, ...]]


@dataclass(frozen=True)
class Conditioning:
    """The transformer's conditions; applications differ only in which slots they fill.

    Attributes:
        text: the encoded prompts.
        guidance: (B,), the embedded guidance scale, e.g. 6.0; required exactly when the model embeds it.
        channels: (B, C', T, H, W), concatenated after the noisy latents before patch embedding.
        tokens: (B, N, D), added to the video tokens after patch embedding.
        modulation: (B, D), added to the timestep vector.
        clean_frames: the first n latent frames are told that they carry no noise.
        contexts: by the name of the injected cross-attention, its keys and values; several are summed.
    """

    text: TextConditioning
    guidance: Tensor | None = None
    channels: Tensor | None = None
    tokens: Tensor | None = None
    modulation: Tensor | None = None
    clean_frames: int = 0
    contexts: Contexts = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.clean_frames < 0:
            raise InputError(f"clean_frames is {self.clean_frames}; it must be 0 or more")

    def to(
        self, device: Place = None, dtype: torch.dtype | None = None, non_blocking: bool = False
    ) -> Conditioning:
        """Move every tensor; only floating ones change their dtype."""
        tensors = {
            name: _moved(value, device, dtype, non_blocking)
            for name in ("guidance", "channels", "tokens", "modulation")
            if (value := getattr(self, name)) is not None
        }
        contexts = {
            name: tuple(context.to(device, dtype, non_blocking) for context in group)
            for name, group in self.contexts.items()
        }
        return replace(self, text=self.text.to(device, dtype, non_blocking), contexts=contexts, **tensors)
