"""What a video transformer learns: the velocity from noise to clip (paper equation 3)."""

from typing import Any

from torch import Tensor, nn

from foundation.flow.objective import make_noisy, velocity_loss
from foundation.training.loading import Batch
from foundation.transformer import Conditioning, TextConditioning, VideoTransformer

SLOTS = ("guidance", "channels", "tokens", "modulation")
"""Conditions that a batch may hold beside the text, by their name in `Conditioning`."""


class FlowObjective(nn.Module):
    """Mean squared error of the predicted velocity."""

    def __init__(self, model: VideoTransformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """A batch of `flow_batch` -> the loss, with nothing else to log."""
        noisy = make_noisy(batch["latents"], batch["noise"], batch["sigma"])
        text = TextConditioning(batch["embeds"], batch.get("mask"), batch["pooled"])
        slots: dict[str, Any] = {name: batch[name] for name in SLOTS if name in batch}
        velocity = self.model(noisy.latents, noisy.sigma, Conditioning(text, **slots))
        return velocity_loss(velocity, noisy), {}
