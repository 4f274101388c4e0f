"""What recipes that train a video transformer share: their settings, their encoders, and the data of a stage."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from foundation.request import ModelDefaults
from foundation.text import TextEncoder, load_text_encoder
from foundation.text.templates import TemplateKind
from foundation.training.config import Training
from foundation.training.curriculum import OrderedSamples, Stage, run_curriculum
from foundation.training.flow_objective import FlowObjective
from foundation.training.latent_cache import ClipShape, LatentCache, prepare_toybox
from foundation.training.toy_samples import Toybox, ToySamples
from foundation.training.trainer import Watch, processes
from foundation.vae.model import CausalVideoVAE
from foundation.weights.fingerprint import latents_sha256, text_sha256
from foundation.weights.loading import load_model
from shared.config import Size
from shared.console import note
from shared.errors import ConfigError

if TYPE_CHECKING:
    from foundation.transformer import VideoTransformer


@dataclass
class SamplingDefaults:
    """How clips are made while training and, where the folder says nothing else, afterwards."""

    steps: int = 20
    cfg: float = 3.0
    shift: float = 3.0


@dataclass
class FlowRecipe:
    """Settings of a run on latents.

    The frozen encoders are those of the model folder `base`. Training sees the folder of clips and captions `data`,
    at the rate `fps`, or the toybox where there is none. Every `training.watch_every` steps `watched` prompts of the
    toybox are made into clips and judged.
    """

    base: str = "weights/starter"
    data: str | None = None
    fps: float = 8.0
    cache: str = "cache"
    toybox: Toybox = field(default_factory=Toybox)
    text_dropout: float = 0.1
    shift: float = 3.0
    watched: int = 24
    sampling: SamplingDefaults = field(default_factory=SamplingDefaults)
    stages: dict[str, Stage] = field(default_factory=dict)
    training: Training = field(
        default_factory=lambda: Training(
            output="runs/t2v",
            learning_rate=0.02,
            adamw_layers=["x_embedder", "proj_out", "time_text_embed", "norm"],
            weight_decay=0.01,
            warmup=100,
        )
    )

    def last_stage(self) -> Stage:
        """The stage whose clips are those that the trained model proposes.

        Raises:
            ConfigError: no stage has steps.
        """
        stages = [stage for stage in self.stages.values() if stage.steps]
        if not stages:
            raise ConfigError("no stage has any steps: stages.NAME.steps must be 1 or more in one of them")
        return stages[-1]

    def defaults(self, stage: Stage) -> ModelDefaults:
        """What the user gets who asks for nothing: clips as in a stage."""
        sampling = self.sampling
        return ModelDefaults(
            fps=self.fps,
            size=Size(stage.width, stage.height),
            frames=stage.frames,
            steps=sampling.steps,
            shift=sampling.shift,
            cfg=sampling.cfg,
            guidance=None,
        )


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


def train_flow(recipe: FlowRecipe, model: VideoTransformer, encoders: Encoders) -> Path:
    """Train a transformer, or what is not frozen of it, through the recipe's stages; the last checkpoint."""
    return run_curriculum(
        recipe.stages,
        recipe.training,
        lambda: FlowObjective(model),
        lambda stage: stage_samples(recipe, stage, encoders),
        partial(_watch, recipe, model, encoders),
    )


def stage_samples(recipe: FlowRecipe, stage: Stage, encoders: Encoders) -> OrderedSamples:
    """The data of a stage, encoded and cached by one process before the others read it."""
    with processes().main_process_first():
        if recipe.data is not None:
            return _folder_samples(recipe, stage, encoders, Path(recipe.data))
        return _toy_samples(recipe, stage, encoders)


def _toy_samples(recipe: FlowRecipe, stage: Stage, encoders: Encoders) -> ToySamples:
    shape = ClipShape(stage.frames, stage.width, stage.height)
    kinds: tuple[TemplateKind, ...] = ("video", "image")
    empty = {kind: encoders.text([""], kind).to(dtype=torch.bfloat16) for kind in kinds}
    clips = _toy_cache(recipe, encoders, shape, 1.0)
    pictures = None
    if stage.pictures and shape.frames > 1:
        pictures = _toy_cache(recipe, encoders, ClipShape(1, stage.width, stage.height), stage.pictures)
    longest = recipe.toybox.longest_text
    return ToySamples(clips, pictures, empty, longest, recipe.text_dropout, recipe.shift)


def _toy_cache(recipe: FlowRecipe, encoders: Encoders, shape: ClipShape, share: float) -> LatentCache:
    counts = {world: int(share * count) for world, count in recipe.toybox.worlds.counts().items()}
    root = Path(recipe.cache) / "encoded"
    return prepare_toybox(root, counts, recipe.toybox.variants, encoders.vae, encoders.text, shape)


def _folder_samples(recipe: FlowRecipe, stage: Stage, encoders: Encoders, folder: Path) -> OrderedSamples:
    # Imported here: reading media needs more than training on what was prepared.
    from foundation.data.buckets import ClipSettings
    from foundation.data.cache import prepare_folder
    from foundation.data.samples import FolderSamples

    settings = ClipSettings(Size(stage.width, stage.height), stage.frames, recipe.fps)
    root = Path(recipe.cache) / "folders"
    say = note if processes().is_main_process else lambda line: None
    prepared = prepare_folder(folder, settings, encoders.vae, encoders.text, root, say)
    return FolderSamples(prepared, recipe.shift, recipe.text_dropout)


def _watch(
    recipe: FlowRecipe, model: VideoTransformer, encoders: Encoders, stage: Stage, folder: Path
) -> Watch:
    # Imported here: clips and contact sheets need more than training does.
    from diffusers import FlowMatchEulerDiscreteScheduler

    from foundation.evaluation.t2v import Sampling
    from foundation.evaluation.watch import JudgedSamples
    from foundation.pipeline import TextToVideoPipeline

    mllm, clip, sampling = encoders.text.mllm, encoders.text.clip, recipe.sampling
    scheduler = FlowMatchEulerDiscreteScheduler(shift=sampling.shift)
    pipe = TextToVideoPipeline(
        model, encoders.vae, mllm.model, mllm.tokenizer, clip.model, clip.tokenizer, scheduler
    )
    pipe.defaults = recipe.defaults(stage)
    settings = Sampling(sampling.steps, sampling.cfg, sampling.shift)
    return JudgedSamples(pipe, recipe.watched, settings, folder)
