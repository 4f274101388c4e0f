"""`kinora train RECIPE key=value ...`: Hydra from end to end."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from shared.config import near_miss, one_of, shorten
from shared.console import overview, result, run
from shared.errors import ConfigError, InputError, first_line

CONF = Path(__file__).resolve().parents[1] / "conf"


@dataclass(frozen=True)
class Recipe:
    """Where a recipe's `Config` and `run` live, its line of help, and the folder that holds `recipe/NAME.yaml`."""

    module: str
    help: str
    conf: Path = CONF


RECIPES = {
    "vae": Recipe("foundation.training.recipes.vae", "the causal video VAE, from toybox clips"),
    "text": Recipe("foundation.training.recipes.text", "tokenizer, language model and CLIP, from captions"),
    "t2v": Recipe("foundation.training.recipes.t2v", "the video transformer, on frozen latents"),
    "t2v_sft": Recipe("foundation.training.recipes.t2v_sft", "fine-tuning of it whole, on chosen clips"),
    "t2v_lora": Recipe("foundation.training.recipes.t2v_lora", "an adapter for it, from a few clips"),
}


def main(argv: Sequence[str], recipes: Mapping[str, Recipe] = RECIPES) -> None:
    """Run the recipe that is named first, with Hydra overrides behind it.

    Args:
        argv: the command line.
        recipes: to choose from; the apps bring more than the foundation's own.

    Raises:
        InputError: no such recipe.
        ConfigError: a key or value that the recipe does not have.
    """
    if not argv or argv[0] in ("-h", "--help"):
        lines = {name: recipe.help for name, recipe in recipes.items()}
        after = "kinora train RECIPE --help prints its settings"
        result(overview("kinora train RECIPE [key=value ...]", lines, after=after))
        return
    name, *overrides = argv
    if name not in recipes:
        raise InputError(
            f"unknown recipe {shorten(name)}{near_miss(name, recipes)}: {one_of(recipes)} expected"
        )
    if "--help" in overrides:
        result(OmegaConf.to_yaml(configuration(name, [], recipes)).rstrip())
        return
    settings = OmegaConf.to_object(configuration(name, overrides, recipes))
    result(str(import_module(recipes[name].module).run(settings)))


def configuration(name: str, overrides: Sequence[str], recipes: Mapping[str, Recipe] = RECIPES) -> Any:
    """The recipe's typed configuration: its dataclass, filled from `conf/recipe`, then from the overrides.

    Raises:
        ConfigError: a key or value that does not exist or does not fit.
    """
    for override in overrides:
        if override.startswith(("+", "~")):
            raise ConfigError(
                f"recipe {name} cannot take {shorten(override)}: its settings are fixed; write key=value"
            )
    schema = import_module(recipes[name].module).Config
    ConfigStore.instance().store(group="schema", name=name, node=schema, package="_global_")
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            place = f"hydra.searchpath=['file://{recipes[name].conf}']"
            return compose("train", overrides=[place, f"recipe={name}", *overrides])
    except (HydraException, OmegaConfBaseException) as error:
        reason = " ".join(first_line(error.__cause__ or error).split())
        raise ConfigError(
            f"recipe {name} cannot take {shorten(' '.join(overrides))}: {reason}; "
            f"kinora train {name} --help lists its settings"
        ) from error


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
