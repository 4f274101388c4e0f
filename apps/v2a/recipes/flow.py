"""What the recipes that train a sound transformer share: their settings, and the data."""

from __future__ import annotations

from pathlib import Path

from apps.v2a.data import SoundSamples, folder_shards, toy_shards
from apps.v2a.encoders import Encoders
from apps.v2a.model import AudioTransformer
from apps.v2a.objective import SoundObjective
from apps.v2a.recipes.config import SoundRecipe
from apps.v2a.weights import sound_folder
from foundation.training.checkpoint import load_averaged
from foundation.training.trainer import Trainer, Watch, processes


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
