"""What a video transformer learns: the velocity from noise to clip (paper equation 3)."""

from typing import Any

import torch
from torch import Tensor, nn

from foundation.flow.objective import make_noisy, velocity_loss
from foundation.training.loading import Batch
from foundation.transformer import Conditioning, TextConditioning, VideoTransformer

SLOTS = ("channels", "tokens", "modulation")
"""Conditions that a batch may hold beside the text, by their name in `Conditioning`."""


class FlowObjective(nn.Module):
    """Mean squared error of the predicted velocity.

    Args:
        model: the transformer.
        guidance: the embedded guidance that a model which has it is told.
    """

    def __init__(self, model: VideoTransformer, guidance: float = 1.0) -> None:
        super().__init__()
        self.model, self.guidance = model, guidance

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """A batch of `flow_batch` -> the loss, with nothing else to log."""
        noisy = make_noisy(batch["latents"], batch["noise"], batch["sigma"])
        velocity = self.model(noisy.latents, noisy.sigma, self.conditioning(batch))
        return velocity_loss(velocity, noisy), {}

    def conditioning(self, batch: Batch) -> Conditioning:
        """What the model is told of a batch."""
        text = TextConditioning(batch["embeds"], batch.get("mask"), batch["pooled"])
        slots: dict[str, Any] = {name: batch[name] for name in SLOTS if name in batch}
        if self.model.config.guidance_embeds:
            slots["guidance"] = torch.full_like(batch["sigma"], self.guidance)
        return Conditioning(text, **slots)
