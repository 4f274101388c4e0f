"""What encoders see in a picture, brought to the rate of the audio's tokens.

CLIP looks four times a second and knows what is there; the synchronisation encoder looks 25 times and knows when it
happens. The transformer is given both through one interface and knows neither.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from apps.v2a.model.layout import AudioLayout, Times, sample_times, shown_at
from apps.v2a.model.sync_encoder import SyncEncoder

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Frames = NDArray[np.uint8]

AT_ONCE = 64
"""Pictures that CLIP sees in one pass."""


class VisualEncoder(Protocol):
    """Pictures to features.

    Attributes:
        fps: how many pictures a second it is shown.
        side: of the square pictures that it is shown, in pixels.
        width: of its features.
    """

    fps: float
    side: int
    width: int

    def __call__(self, frames: Frames) -> Tensor:
        """Map (N, side, side, 3) uint8 to (N, width) float32 on the CPU."""
        ...


class ClipFeatures:
    """CLIP's image features: its projected vector, or the pooled one of a tower without projection."""

    def __init__(self, model: PreTrainedModel, processor: Any, fps: float) -> None:
        self.model, self.processor, self.fps = model, processor, fps
        self.side = int(model.config.image_size)
        projected = getattr(model, "visual_projection", None)
        self.width = int(projected.out_features if projected is not None else model.config.hidden_size)

    @torch.no_grad()
    def __call__(self, frames: Frames) -> Tensor:
        """See `VisualEncoder`."""
        rows = []
        for start in range(0, len(frames), AT_ONCE):
            pixels = self.processor(list(frames[start : start + AT_ONCE]), return_tensors="pt").pixel_values
            output = self.model(pixels.to(self.model.device, self.model.dtype))
            embeds = getattr(output, "image_embeds", None)
            rows.append((output.pooler_output if embeds is None else embeds).float().cpu())
        return torch.cat(rows)


class SyncFeatures:
    """Features of the synchronisation encoder, each of a moment and what is around it."""

    def __init__(self, model: SyncEncoder, fps: float) -> None:
        self.model, self.fps = model, fps
        self.side, self.width = int(model.config.side), int(model.config.width)

    @torch.no_grad()
    def __call__(self, frames: Frames) -> Tensor:
        """See `VisualEncoder`."""
        pixels = torch.from_numpy(frames)[None].to(self.model.device)
        return self.model(pixels)[0].float().cpu()


def normalise_images(
    encoder: VisualEncoder, frames: Frames, times: Sequence[float] | Times, seconds: float
) -> Tensor:
    """The features of a picture.

    Args:
        encoder: who looks.
        frames: (F, side, side, 3) uint8, at any rhythm.
        times: (F,) seconds at which they come.
        seconds: how long the picture lasts.

    Returns:
        (N, width), N of `sample_times` at the encoder's rate.
    """
    return encoder(frames[shown_at(times, sample_times(seconds, encoder.fps))])


def at_token_rate(features: Tensor, fps: float, layout: AudioLayout, tokens: int) -> Tensor:
    """Features (N, D) at a rate of `fps` as those of audio tokens, (tokens, D).

    Between two features they are interpolated; where features come faster than tokens, a token is given the mean
    over its duration. After the last one the picture stands still.
    """
    points = math.ceil(fps / layout.token_rate)
    offsets = (np.arange(points) + 0.5) / points - 0.5
    moments = layout.token_times(tokens)[:, None] + offsets / layout.token_rate
    place = torch.from_numpy(np.clip(moments * fps, 0, len(features) - 1))
    before = place.long()
    after = (before + 1).clamp(max=len(features) - 1)
    share = (place - before).to(features.dtype)[..., None]
    return torch.lerp(features[before], features[after], share).mean(dim=1)


def visual_conditions(
    features: Mapping[str, tuple[Tensor, float]], layout: AudioLayout, tokens: int
) -> dict[str, Tensor]:
    """Rows (1, tokens, D) for `AudioConditioning.visual` from each encoder's features and rate."""
    return {name: at_token_rate(rows, fps, layout, tokens)[None] for name, (rows, fps) in features.items()}
