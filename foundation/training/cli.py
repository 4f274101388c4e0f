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
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from foundation.checkpoints.registry import locate
from foundation.training.export import prepare_export
from shared.config import check_bounds, local_path, near_miss, one_of, shorten
from shared.console import overview, result, run
from shared.errors import ConfigError, InputError, KinoraError, first_line

CONF = Path(__file__).resolve().parents[1] / "conf"


@dataclass(frozen=True)
class Recipe:
    """A named training configuration.

    Attributes:
        module: has `run`, which trains.
        config: `module:class` of the settings; imported without torch.
        help: a line.
        conf: folder that holds `recipe/NAME.yaml`.
    """

    module: str
    config: str
    help: str
    conf: Path = CONF

    def schema(self) -> type[Any]:
        """The class of the settings."""
        module, name = self.config.split(":")
        return getattr(import_module(module), name)


def _recipe(name: str, schema: str, help: str) -> Recipe:
    return Recipe(f"foundation.training.recipes.{name}", f"foundation.training.config:{schema}", help)


RECIPES = {
    "vae": _recipe("vae", "VAEConfig", "the causal video VAE, from toybox clips"),
    "text": _recipe("text", "TextConfig", "tokenizer, language model and CLIP, from captions"),
    "t2v": _recipe("t2v", "T2VConfig", "the video transformer, on frozen latents"),
    "t2v_sft": _recipe("t2v_sft", "T2VConfig", "fine-tuning of it whole, on chosen clips"),
    "t2v_lora": _recipe("t2v_lora", "T2VLoRAConfig", "a LoRA for it, from a few clips"),
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
    settings = read_settings(name, overrides, recipes)
    check_sources(settings)
    prepare_export(settings, name)
    result(str(import_module(recipes[name].module).run(settings)))


def check_sources(settings: Any) -> None:
    """Refuse a base or a folder of clips that is not here, before torch is imported.

    Args:
        settings: of a recipe; those without `base` or `data` pass.

    Raises:
        WeightsError: the base is not on this machine.
        InputError: the folder of clips is missing.
    """
    base, data = getattr(settings, "base", None), getattr(settings, "data", None)
    if isinstance(base, str):
        locate(base)
    if isinstance(data, str) and not local_path(data).exists():
        raise InputError(f"data: {shorten(data)} does not exist: name a folder of clips")


def read_settings(name: str, overrides: Sequence[str], recipes: Mapping[str, Recipe] = RECIPES) -> Any:
    """A recipe's checked settings, as its dataclass.

    Raises:
        ConfigError: a key or value that the recipe does not have, or a value out of bounds.
    """
    composed = configuration(name, overrides, recipes)
    try:
        settings = OmegaConf.to_object(composed)
        check_bounds(settings)
    except (HydraException, OmegaConfBaseException, KinoraError, ValueError, TypeError) as error:
        raise _refused(name, overrides, error) from error
    return settings


def configuration(name: str, overrides: Sequence[str], recipes: Mapping[str, Recipe] = RECIPES) -> Any:
    """The recipe's typed configuration: its dataclass, filled from `conf/recipe`, then from the overrides.

    Raises:
        ConfigError: a key or value that does not exist or does not fit.
    """
    recipe = recipes[name]
    ConfigStore.instance().store(group="schema", name=name, node=recipe.schema(), package="_global_")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        chosen = [f"hydra.searchpath=['file://{recipe.conf}']", f"recipe={name}"]
        composed = compose("train", overrides=chosen)
        for override in overrides:
            _check_key(name, composed, override)
        try:
            return compose("train", overrides=[*chosen, *overrides]) if overrides else composed
        except (HydraException, OmegaConfBaseException, ValueError, TypeError) as error:
            raise _refused(name, overrides, error) from error


def _check_key(name: str, known: Any, override: str) -> None:
    """Refuse an override whose key the recipe does not have, with the nearest that it has."""
    key, sign, _ = override.partition("=")
    if override.startswith(("+", "~")) or not sign or not key.strip():
        raise ConfigError(
            f"recipe {name} cannot take {shorten(override)}: its settings are fixed; write key=value"
        )
    place = known
    for part in key.split("."):
        names = [str(key) for key in place] if isinstance(place, DictConfig) else []
        if part not in names:
            raise ConfigError(
                f"recipe {name} cannot take {shorten(override)}: unknown setting {shorten(key)}"
                f"{near_miss(part, names)}; kinora train {name} --help lists its settings"
            )
        place = place[part]


def _refused(name: str, overrides: Sequence[str], error: BaseException) -> ConfigError:
    """One line of what Hydra or a check says, with the setting that is nearest to an unknown one."""
    inner = error
    while isinstance(inner.__cause__, Exception) and not isinstance(inner, KinoraError):
        inner = inner.__cause__
    reason = " ".join(first_line(inner).split())
    return ConfigError(
        f"recipe {name} cannot take {shorten(' '.join(overrides))}: {reason}; "
        f"kinora train {name} --help lists its settings"
    )


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
