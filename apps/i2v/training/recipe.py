"""What all recipes of image-to-video share: the weights they start from, their data, and what stands beside theirs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch

from apps.i2v.conditioning.channels import take_pictures
from apps.i2v.conditioning.variants import variant_of
from apps.i2v.data import picture_samples
from apps.i2v.training.config import PictureRecipe
from foundation.checkpoints.model_folder import FROZEN_FILE, load_transformer, write_defaults, write_training
from foundation.checkpoints.registry import ModelParts, find_parts, locate
from foundation.models.transformer.model import VideoTransformer
from foundation.training.curriculum import Stage
from foundation.training.flow import Encoders, train_flow
from foundation.training.optimizers import ProgressiveUnfreezing
from foundation.training.trainer import Watch, processes
from shared.errors import ConfigError

APP = "i2v"


class Started(NamedTuple):
    """Weights to start from: the model, all of which is to be trained, where it lay, and whether it is new here."""

    model: VideoTransformer
    parts: ModelParts
    widened: bool


def started(recipe: PictureRecipe) -> Started:
    """The model that a recipe trains; one that knew text alone can be given pictures, and does as before.

    Raises:
        ConfigError: released weights, which are told of their picture in another way.
    """
    parts = find_parts(recipe.base) if recipe.start is None else find_parts(recipe.start, app=APP)
    model = load_transformer(parts, torch.float32).train().requires_grad_(True)
    condition = model.config.image_condition_type
    if condition is None:
        take_pictures(model)
    elif variant_of(condition, parts.folder).first_only:
        raise ConfigError(
            f"{recipe.start or recipe.base} holds released image-to-video weights, which take a first picture alone: "
            "start from text-to-video weights, or from what this recipe wrote"
        )
    return Started(model, parts, condition is None)


def run_recipe(
    recipe: PictureRecipe,
    name: str,
    prepare: Callable[[Started], ProgressiveUnfreezing | None],
    write: Callable[[Started, Path], Path],
) -> Path:
    """Prepare, train, and write what comes of it; the folder of it all.

    Args:
        recipe: its settings.
        name: the recipe's.
        prepare: freezes what is not trained; returns what waits for how long, if anything does.
        write: puts the weights into the folder, and returns where in it they stand.
    """
    recipe.check()
    torch.manual_seed(recipe.training.seed)
    encoders = Encoders.load(locate(recipe.base))
    begun = started(recipe)
    train_pictures(recipe, begun.model, encoders, prepare(begun))
    folder = recipe.folder
    if processes().is_main_process:
        write_about(recipe, name, write(begun, folder), begun.parts, encoders)
    return folder


def train_pictures(
    recipe: PictureRecipe,
    model: VideoTransformer,
    encoders: Encoders,
    unfreezing: ProgressiveUnfreezing | None = None,
) -> None:
    """Train what is not frozen of a model, and leave its averaged weights in it."""
    samples, watch = partial(picture_samples, recipe, encoders), partial(_watch, recipe, model, encoders)
    train_flow(recipe, model, encoders, samples, watch, unfreezing)


def write_about(recipe: PictureRecipe, name: str, part: Path, start: ModelParts, encoders: Encoders) -> None:
    """Write what stands beside weights: the runs that made them, and what they were trained on.

    Args:
        recipe: its settings.
        name: the recipe's.
        part: the weights' folder.
        start: where training began.
        encoders: whose outputs it saw.
    """
    write_training(part, {"recipe": name, **asdict(recipe)}, start.overlay or start.transformer)
    (part / FROZEN_FILE).write_text(json.dumps(encoders.fingerprints(), indent=1) + "\n")


def write_model_defaults(recipe: PictureRecipe, model: VideoTransformer, folder: Path) -> None:
    """Write how clips are made with a model where the user says nothing else."""
    write_defaults(folder, recipe.defaults(recipe.last_stage(), model))


def _watch(
    recipe: PictureRecipe, model: VideoTransformer, encoders: Encoders, stage: Stage, folder: Path
) -> Watch:
    # Imported here: clips and contact sheets need more than training does.
    from diffusers import FlowMatchEulerDiscreteScheduler

    from apps.i2v.metrics import judge_pictures
    from apps.i2v.pipeline import ImageToVideoPipeline
    from foundation.evaluation.t2v import Sampling
    from foundation.evaluation.watch import JudgedSamples

    mllm, clip, sampling = encoders.text.mllm, encoders.text.clip, recipe.sampling
    scheduler = FlowMatchEulerDiscreteScheduler(shift=sampling.shift)
    pipe = ImageToVideoPipeline(
        model, encoders.vae, mllm.model, mllm.tokenizer, clip.model, clip.tokenizer, scheduler, None
    )
    pipe.defaults = recipe.defaults(stage, model)
    settings = Sampling(sampling.steps, sampling.cfg, sampling.shift)
    return JudgedSamples(partial(judge_pictures, pipe, recipe.watched, settings), folder)
