"""What the apps add to commands of the foundation: recipes to train, models to judge, clips to make again, data.

The foundation knows no app, so the tables stand here; a module in them is imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foundation.training.cli import Recipe

RECIPES = {
    "mel_vae": ("apps.v2a.training.mel_vae", "MelVAEConfig", "the sound codec's VAE, from rendered sounds"),
    "vocoder": (
        "apps.v2a.training.vocoder",
        "VocoderConfig",
        "the sound codec's vocoder, on its VAE's outputs",
    ),
    "i2v": ("apps.i2v.training.i2v", "I2VConfig", "image-to-video, from text-to-video weights"),
    "i2v_portrait": (
        "apps.i2v.training.i2v_portrait",
        "I2VConfig",
        "image-to-video, fine-tuned on clips of people",
    ),
    "i2v_lora": ("apps.i2v.training.i2v_lora", "I2VLoRAConfig", "image-to-video as an adapter"),
    "av_consistency": (
        "apps.v2a.training.av_consistency",
        "AVConsistencyConfig",
        "which sound belongs to which picture, and the small encoders of v2a",
    ),
    "av_clip": ("apps.v2a.training.av_clip", "AVClipConfig", "CLIP's eyes of v2a, on what things sound like"),
    "v2a": ("apps.v2a.training.v2a", "V2AConfig", "the sound transformer, on frozen latents"),
    "v2a_lora": (
        "apps.v2a.training.v2a_lora",
        "V2ALoRAConfig",
        "an adapter for it, from a few clips with sound",
    ),
    "rewrite": (
        "apps.prompt_rewrite.training.rewrite",
        "RewriteConfig",
        "the starter's rewriter, from nothing",
    ),
    "rewrite_lora": (
        "apps.prompt_rewrite.training.rewrite_lora",
        "RewriteLoRAConfig",
        "a LoRA for a chat model, on pairs",
    ),
}
"""Name -> module with `run`, class of its settings in `recipes/config.py`, and its line of help.

`conf/recipe/NAME.yaml` is in the app's folder."""

EVALUATIONS = {
    "codec": ("apps.v2a.codec.evaluation", "what sounds lose on their way to latents and back"),
    "i2v": ("apps.i2v.evaluation", "clips of pictures that training never saw, and clips that go on"),
    "v2a": ("apps.v2a.evaluation", "sounds of clips that training never saw: moments and materials"),
    "rewrite": ("apps.prompt_rewrite.evaluation", "what rewrites keep of held-out prompts"),
}
"""Name -> module with `Evaluation` (the settings) and `evaluate`, and its line of help."""

REMAKERS = {"film": "apps.film.rerun", "i2v": "apps.i2v.cli", "v2a": "apps.v2a.cli"}
"""Command -> module with `remake` or `remake_parts`, which makes its clips again."""

DATA = {"v2a": ("apps.v2a.curation.cli", "which clips have a sound that is worth learning")}
"""Name -> module with `main`, which takes the words behind the name, and its line of help."""


def recipes() -> dict[str, Recipe]:
    """The foundation's recipes and the apps', by name."""
    from foundation.training import cli

    own = {
        name: cli.Recipe(module, f"{module.rsplit('.', 1)[0]}.config:{schema}", about, conf_of(module))
        for name, (module, schema, about) in RECIPES.items()
    }
    return {**cli.RECIPES, **own}


def train(argv: Sequence[str]) -> None:
    """`kinora train`: the foundation's recipes and the apps'."""
    from foundation.training import cli

    cli.main(argv, recipes())


def conf_of(module: str) -> Path:
    """The `conf` folder of the app that a module belongs to."""
    return Path(__file__).parent / module.split(".")[1] / "conf"


def evaluate(argv: Sequence[str]) -> None:
    """`kinora evaluate`: the foundation's measures and the apps'."""
    from foundation.evaluation import cli

    measures = {n: cli.Measure(about, partial(_open, module)) for n, (module, about) in EVALUATIONS.items()}
    cli.main(argv, {**cli.MEASURES, **measures})


def data(argv: Sequence[str]) -> None:
    """`kinora data`: what the foundation's recipes see of a folder, and what the apps' see."""
    from foundation.data import cli

    cli.main(argv, {**cli.ACTIONS, **{name: _look(*place) for name, place in DATA.items()}})


def rerun(argv: Sequence[str]) -> None:
    """`kinora rerun`: clips of the foundation's own command and of the apps'."""
    from foundation.rerun import rerun

    rerun.main(list(argv), {**rerun.REMAKERS, **REMAKERS})


def _look(module: str, about: str) -> Callable[[list[str]], None]:
    """An app's action, imported when it is called."""

    def look(argv: list[str]) -> None:
        import_module(module).main(argv)

    look.__doc__ = about
    return look


def _open(module: str) -> tuple[Any, Any]:
    """The settings and the function of an app's evaluation."""
    found = import_module(module)
    return found.Evaluation, found.evaluate
