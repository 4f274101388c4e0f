"""What the recipes that train a sound transformer share: their settings, and the data."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from apps.v2a.data import DropOut, SoundSamples, folder_shards, toy_shards
from apps.v2a.encoders import Encoders
from apps.v2a.model import AudioTransformer
from apps.v2a.objective import SoundObjective
from apps.v2a.toybox import ToySounds
from foundation.training.checkpoint import load_averaged
from foundation.training.config import Training
from foundation.training.trainer import Trainer, Watch, processes


@dataclass
class SoundRecipe:
    """Settings of a run on latents of sounds.

    The frozen encoders and the codec are those of the folder `base`. Training sees the folder of clips with sound and
    captions `data`, or the toybox where there is none. `drop_out` leaves out text and video, each by itself. Every
    `training.watch_every` steps `watched` held-out clips are given sounds, which are judged.
    """

    base: str = "weights/starter/v2a"
    data: str | None = None
    cache: str = "cache"
    toybox: ToySounds = field(default_factory=ToySounds)
    drop_out: DropOut = field(default_factory=DropOut)
    shift: float = 1.0
    watched: int = 16
    training: Training = field(default_factory=lambda: Training(output="runs/v2a"))


def train_sounds(recipe: SoundRecipe, model: AudioTransformer, encoders: Encoders) -> None:
    """Train a sound transformer, or what is not frozen of it, and leave its averaged weights in it."""
    with processes().main_process_first():
        root, base = Path(recipe.cache), Path(recipe.base)
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
