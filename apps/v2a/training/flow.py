"""The velocity objective of the audio transformer, and what its recipes share."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from apps.v2a.checkpoints import sound_folder
from apps.v2a.conditioning.encoders import Encoders
from apps.v2a.data import SoundSamples, folder_shards, toy_shards
from apps.v2a.model.conditioning import AudioConditioning
from apps.v2a.model.transformer import AudioTransformer
from apps.v2a.training.config import SoundRecipe
from foundation.data.loading import Batch
from foundation.flow.objective import make_noisy, velocity_loss
from foundation.training.checkpoint import load_averaged
from foundation.training.trainer import Trainer, Watch, processes

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


def train_sounds(recipe: SoundRecipe, model: AudioTransformer, encoders: Encoders) -> None:
    """Train a sound transformer, or what is not frozen of it, and leave its averaged weights in it."""
    with processes().main_process_first():
        root, base = Path(recipe.cache), sound_folder(recipe.base)
        if recipe.data is None:
            shards = toy_shards(root, base, encoders, recipe.toybox)
        else:
            shards = folder_shards(root, base, encoders, Path(recipe.data), recipe.toybox.variants)
    samples = SoundSamples(shards, recipe.drop_out, recipe.shift)
    watch = _watch(recipe, model, encoders) if recipe.training.watch_every else None
    load_averaged(model, Trainer(SoundObjective(model), samples, recipe.training, watch=watch).run())


def _watch(recipe: SoundRecipe, model: AudioTransformer, encoders: Encoders) -> Watch:
    # Imported here: judging needs more than training does.
    from apps.v2a.evaluation import JudgedSounds

    return JudgedSounds(model, encoders, recipe.watched, Path(recipe.training.output))
