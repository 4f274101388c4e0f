"""The flow-matching objective, and what recipes that train a video transformer share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from foundation.checkpoints.hashes import latents_sha256, text_sha256
from foundation.checkpoints.loading import load_model
from foundation.checkpoints.text_encoders import load_text_encoder
from foundation.data.flow_batch import TEXT_ALONE, Conditions
from foundation.data.loading import Batch
from foundation.data.toybox.latents import ClipShape, prepare_toybox
from foundation.data.toybox.samples import ToyPart, ToySamples
from foundation.flow.objective import make_noisy, velocity_loss
from foundation.models.text import TextEncoder
from foundation.models.transformer import Conditioning, TextConditioning, VideoTransformer
from foundation.models.vae.model import CausalVideoVAE
from foundation.training.config import FlowRecipe, Stage
from foundation.training.curriculum import OrderedSamples, run_curriculum
from foundation.training.optimizers import ProgressiveUnfreezing
from foundation.training.trainer import Watch, processes
from shared.config import Size
from shared.console import note

if TYPE_CHECKING:
    from foundation.data.folder.cache import Refuse
    from foundation.models.transformer import VideoTransformer


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


@dataclass(frozen=True)
class Encoders:
    """The frozen VAE and text encoders of a model folder."""

    vae: CausalVideoVAE
    text: TextEncoder

    @classmethod
    def load(cls, base: Path) -> Encoders:
        """From the folder's parts."""
        return cls(load_model(CausalVideoVAE, base / "vae", torch.float32), load_text_encoder(base))

    def fingerprints(self) -> dict[str, str]:
        """The sha256 of all that latents and embeddings depend on."""
        return {"vae": latents_sha256(self.vae), "text": text_sha256(self.text)}


def train_flow(
    recipe: FlowRecipe,
    model: VideoTransformer,
    encoders: Encoders,
    samples: Callable[[Stage], OrderedSamples] | None = None,
    watch: Callable[[Stage, Path], Watch] | None = None,
    unfreezing: ProgressiveUnfreezing | None = None,
) -> Path:
    """Train a transformer, or what is not frozen of it, through the recipe's stages.

    Args:
        recipe: its settings.
        model: the transformer.
        encoders: the frozen rest of the model.
        samples: the data of a stage; None: clips with their captions.
        watch: what looks at the model while it trains, and writes into the stage's folder; None: prompts that it
            never saw are made into clips and judged.
        unfreezing: which parameters wait for how long, in every stage.

    Returns:
        The last checkpoint.
    """
    return run_curriculum(
        recipe.stages,
        recipe.training,
        lambda: FlowObjective(model, recipe.guidance),
        samples or (lambda stage: stage_samples(recipe, stage, encoders)),
        watch or partial(_watch, recipe, model, encoders),
        unfreezing,
    )


def stage_samples(recipe: FlowRecipe, stage: Stage, encoders: Encoders) -> OrderedSamples:
    """The data of a stage, encoded and cached by one process before the others read it."""
    with processes().main_process_first():
        if recipe.data is not None:
            return folder_samples(recipe, stage, encoders)
        parts = [toy_part(recipe, encoders, stage)]
        if stage.pictures and stage.frames > 1:
            parts.append(toy_part(recipe, encoders, replace(stage, frames=1), stage.pictures))
        if stage.earlier:
            parts.append(toy_part(recipe, encoders, recipe.stage_before(stage), stage.earlier))
        return toy_samples(recipe, parts)


def toy_samples(recipe: FlowRecipe, parts: Sequence[ToyPart]) -> ToySamples:
    """Samples of the toybox, with the recipe's settings."""
    return ToySamples(parts, recipe.toybox.longest_text, recipe.text_dropout, recipe.shift)


def toy_part(
    recipe: FlowRecipe,
    encoders: Encoders,
    stage: Stage,
    share: float = 1.0,
    conditions: Conditions = TEXT_ALONE,
) -> ToyPart:
    """Clips of the toybox, encoded and cached.

    Args:
        recipe: says which, and where the cache is.
        encoders: the frozen ones.
        stage: gives their shape.
        share: of the recipe's number of clips.
        conditions: what is trained on of each.
    """
    shape = ClipShape(stage.frames, stage.width, stage.height)
    counts = {world: max(1, int(share * count)) for world, count in recipe.toybox.worlds.counts().items()}
    root, variants = Path(recipe.cache) / "encoded", recipe.toybox.variants
    cache = prepare_toybox(root, counts, variants, encoders.vae, encoders.text, shape, conditions.stills)
    return ToyPart(cache, encoders.text([""], shape.kind).to(dtype=torch.bfloat16), conditions)


def folder_samples(
    recipe: FlowRecipe,
    stage: Stage,
    encoders: Encoders,
    conditions: Conditions = TEXT_ALONE,
    refuse: Refuse | None = None,
) -> OrderedSamples:
    """The recipe's folder of clips, encoded and cached.

    Args:
        recipe: names the folder.
        stage: gives the shape of the longest clips.
        encoders: the frozen ones.
        conditions: what is trained on of each clip.
        refuse: see `foundation.data.folder.cache.Wanted`.
    """
    # Imported here: reading media needs more than training on what was prepared.
    from foundation.data.folder.buckets import ClipSettings
    from foundation.data.folder.cache import Wanted, prepare_folder
    from foundation.data.folder.samples import FolderSamples

    assert recipe.data is not None
    settings = ClipSettings(Size(stage.width, stage.height), stage.frames, recipe.fps)
    root = Path(recipe.cache) / "folders"
    say = note if processes().is_main_process else lambda line: None
    wanted = Wanted(conditions.stills, refuse)
    prepared = prepare_folder(Path(recipe.data), settings, encoders.vae, encoders.text, root, say, wanted)
    return FolderSamples(prepared, recipe.shift, recipe.text_dropout, conditions)


def _watch(
    recipe: FlowRecipe, model: VideoTransformer, encoders: Encoders, stage: Stage, folder: Path
) -> Watch:
    # Imported here: clips and contact sheets need more than training does.
    from diffusers import FlowMatchEulerDiscreteScheduler

    from foundation.evaluation.t2v import Sampling, evaluate_t2v
    from foundation.evaluation.watch import JudgedSamples
    from foundation.t2v.pipeline import TextToVideoPipeline

    mllm, clip, sampling = encoders.text.mllm, encoders.text.clip, recipe.sampling
    scheduler = FlowMatchEulerDiscreteScheduler(shift=sampling.shift)
    pipe = TextToVideoPipeline(
        model, encoders.vae, mllm.model, mllm.tokenizer, clip.model, clip.tokenizer, scheduler
    )
    pipe.defaults = recipe.defaults(stage, model)
    settings = Sampling(sampling.steps, sampling.cfg, sampling.shift)
    return JudgedSamples(partial(evaluate_t2v, pipe, recipe.watched, settings), folder)
