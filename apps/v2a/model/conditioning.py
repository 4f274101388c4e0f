"""What the sound model is told beside the latents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from foundation.models.transformer.conditioning import Place


@dataclass(frozen=True)
class AudioConditioning:
    """The conditions of a sound; a slot that is left empty is the learned null condition.

    Attributes:
        visual: features of the picture by the name of their encoder, (B, T, D) each, at the rate of the audio's
            tokens, in as many rows.
        text: (B, L, D) states of the text encoder.
        mask: (B, L) bool, True where a state is real; None when every row has L of them.
        has_video: (B,) bool, False for rows whose visual features give way to the null video; None for none.
        has_text: (B,) bool, likewise; such a row's mask is True for its first state alone.
    """

    visual: Mapping[str, Tensor] = field(default_factory=dict)
    text: Tensor | None = None
    mask: Tensor | None = None
    has_video: Tensor | None = None
    has_text: Tensor | None = None

    def to(
        self, device: Place = None, dtype: torch.dtype | None = None, non_blocking: bool = False
    ) -> AudioConditioning:
        """Move every tensor; only floating ones change their dtype."""

        def moved(value: Tensor | None) -> Tensor | None:
            if value is None:
                return None
            return value.to(device, dtype if value.is_floating_point() else None, non_blocking=non_blocking)

        visual = {name: value.to(device, dtype, non_blocking) for name, value in self.visual.items()}
        slots = ("text", "mask", "has_video", "has_text")
        return replace(self, visual=visual, **{name: moved(getattr(self, name)) for name in slots})

    def in_windows(self, windows: Sequence[slice]) -> AudioConditioning:
        """One row for each window of a single sound, its visual features cut to it."""
        visual = {
            name: torch.cat([rows[:, window] for window in windows]) for name, rows in self.visual.items()
        }
        text = None if self.text is None else self.text.expand(len(windows), -1, -1)
        return AudioConditioning(visual, text)
