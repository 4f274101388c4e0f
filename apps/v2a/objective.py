"""What the sound transformer learns: the velocity from noise to a sound's latents (paper equation 3)."""

from torch import Tensor, nn

from apps.v2a.conditioning import AudioConditioning
from apps.v2a.model import AudioTransformer
from foundation.flow.objective import make_noisy, velocity_loss
from foundation.training.loading import Batch

VISUAL = "visual."
"""What the names of visual features begin with in a batch."""


class SoundObjective(nn.Module):
    """Mean squared error of the predicted velocity."""

    def __init__(self, model: AudioTransformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """A batch of `SoundSamples` -> the loss, with nothing else to log."""
        noisy = make_noisy(batch["latents"], batch["noise"], batch["sigma"])
        visual = {key.removeprefix(VISUAL): rows for key, rows in batch.items() if key.startswith(VISUAL)}
        conditioning = AudioConditioning(
            visual, batch["text"], batch["mask"], batch["has_video"], batch["has_text"]
        )
        return velocity_loss(self.model(noisy.latents, noisy.sigma, conditioning), noisy), {}
