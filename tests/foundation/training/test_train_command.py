"""`kinora train`: recipes by name, settings that exist, and nothing started by a typing error."""

import pytest
from omegaconf import OmegaConf

from foundation.training.cli import RECIPES, configuration, main
from shared.errors import ConfigError, InputError


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_has_a_typed_configuration(name):
    assert configuration(name, ["export=elsewhere"]).export == "elsewhere"


@pytest.mark.parametrize(
    "override",
    ["training.stepz=7", "training.steps=x", "steps", "nothing=1", "+nothing=1", "+training.more=1"],
)
def test_a_setting_that_does_not_exist_starts_nothing(override, monkeypatch):
    monkeypatch.setattr("foundation.training.recipes.vae.run", pytest.fail)
    with pytest.raises(ConfigError, match="recipe vae cannot take"):
        main(["vae", override])


def test_the_size_of_a_model_is_a_setting_too():
    assert configuration("text", ["model.hidden=16"]).model.hidden == 16


def test_an_unknown_recipe_is_named_with_its_nearest():
    with pytest.raises(InputError, match=r"did you mean vae\?"):
        main(["vea"])


def test_help_prints_what_can_be_set(capsys):
    main(["t2v", "--help"])
    assert "text_dropout" in capsys.readouterr().out


def test_a_configuration_is_handed_over_as_its_dataclass(monkeypatch):
    seen = []
    monkeypatch.setattr("foundation.training.recipes.vae.run", lambda config: seen.append(config) or "done")
    main(["vae", "data.size=16"])
    assert seen[0].data.size == 16
    assert not OmegaConf.is_config(seen[0])
