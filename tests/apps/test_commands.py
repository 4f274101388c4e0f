"""The one table of commands, and what it adds to `kinora train`, `evaluate` and `data`."""

import pytest
from omegaconf import OmegaConf

from apps import commands
from apps.commands import COMMANDS, Command, Entry
from foundation.training import cli
from shared.errors import ConfigError, InputError

recipes = commands.recipes
OWN = [name for name in recipes() if name not in cli.RECIPES]
EVALUATIONS = [name for command in COMMANDS.values() for name in command.evaluations]


@pytest.mark.parametrize("name", OWN)
def test_every_recipe_has_a_typed_configuration(name):
    assert cli.configuration(name, ["export=elsewhere"], recipes()).export == "elsewhere"
    with pytest.raises(ConfigError, match=f"recipe {name} cannot take"):
        cli.configuration(name, ["training.stepz=1"], recipes())


def numbers(settings, path=()):
    """Every setting that is a number, by its dotted name."""
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from numbers(value, (*path, key))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield ".".join((*path, key)), value


@pytest.mark.parametrize("name", [*OWN, *cli.RECIPES])
def test_every_number_that_help_lists_can_be_set(name):
    every = {**cli.RECIPES, **recipes()}
    listed = dict(numbers(OmegaConf.to_container(cli.configuration(name, [], every))))
    changed = [f"{key}={value + 1}" for key, value in listed.items()]
    again = dict(numbers(OmegaConf.to_container(cli.configuration(name, changed, every))))
    assert again == {key: value + 1 for key, value in listed.items()}


@pytest.mark.parametrize("command", [commands.train, commands.evaluate])
def test_help_names_what_apps_bring_beside_the_foundation(command, capsys):
    command(["--help"])
    printed = capsys.readouterr().out
    assert "  rewrite" in printed
    assert "  vae" in printed


def test_an_unknown_name_is_refused_with_the_nearest_of_all():
    with pytest.raises(InputError, match="did you mean rewrite"):
        commands.train(["rewrit"])
    with pytest.raises(InputError, match="did you mean rewrite"):
        commands.evaluate(["rewrit"])


def test_nobody_waits_for_an_evaluation_that_was_not_asked_for(monkeypatch, capsys):
    absent = Command("", evaluations={"absent": Entry("apps.absent.evaluation", "what is not there")})
    monkeypatch.setitem(COMMANDS, "absent", absent)
    commands.evaluate(["--help"])
    assert "  absent" in capsys.readouterr().out
    with pytest.raises(InputError, match="unknown flag"):
        commands.evaluate(["vae", "--nope"])
    with pytest.raises(ModuleNotFoundError):
        commands.evaluate(["absent"])


@pytest.mark.parametrize("name", EVALUATIONS)
def test_an_evaluation_refuses_a_setting_that_does_not_exist(name):
    with pytest.raises(InputError, match="unknown flag"):
        commands.evaluate([name, "--nope"])


def test_an_app_brings_its_own_look_at_data(monkeypatch, capsys):
    absent = Command("", data={"sounds": Entry("apps.absent.data", "sounds of clips")})
    monkeypatch.setitem(COMMANDS, "absent", absent)
    commands.data(["--help"])
    printed = capsys.readouterr().out
    assert "  inspect" in printed
    assert "  sounds" in printed
    with pytest.raises(ModuleNotFoundError):
        commands.data(["sounds", "FOLDER"])
