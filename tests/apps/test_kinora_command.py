import subprocess
import sys
from importlib.util import find_spec

import pytest

from apps import cli
from apps.commands import COMMANDS
from shared.errors import InputError


def modules_after(*argv):
    """The modules that a fresh interpreter has imported once the command has run."""
    script = (
        "import sys; from apps.cli import dispatch\n"
        f"try: dispatch({list(argv)!r})\n"
        "except SystemExit: pass\n"
        "print('MODULES', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split("MODULES")[1].split())


@pytest.mark.parametrize(
    "argv", [["--help"], *([name, "--help"] for name in ("t2v", "data", "rerun", "show", "verify"))]
)
def test_help_waits_for_no_heavy_module(argv):
    assert not modules_after(*argv) & {"torch", "numpy", "diffusers", "transformers", "av", "PIL", "hydra"}


def test_help_names_every_command(capsys):
    assert cli.dispatch(["--help"]) == 0
    printed = capsys.readouterr().out
    for name, command in COMMANDS.items():
        assert f"  {name}" in printed
        assert command.help in printed


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_modules(name):
    command = COMMANDS[name]
    named = (command.main, command.request, command.make, command.remake, command.tab)
    of_recipes = [
        entry.module
        for entry in (*command.recipes.values(), *command.evaluations.values(), *command.data.values())
    ]
    assert all(find_spec(one.partition(":")[0]) for one in (*named, *of_recipes) if one)


def test_an_unknown_command_is_refused_with_the_nearest():
    with pytest.raises(InputError, match=r"unknown command 't2w' \(did you mean t2v\?\)"):
        cli.dispatch(["t2w"])


def test_no_command_prints_the_help_and_is_bad_input(capsys):
    assert cli.dispatch([]) == 2
    assert "usage" in capsys.readouterr().out


def test_the_version_is_that_of_the_package(capsys):
    cli.dispatch(["--version"])
    assert capsys.readouterr().out.startswith("kinora 0.")


@pytest.mark.parametrize(
    "argv",
    [
        ["t2v"],
        ["t2v", "--prompt", ""],
        ["t2v", "--nope"],
        ["show"],
        ["show", "nowhere.mp4"],
        ["verify", "a", "b"],
        ["rerun"],
        ["rerun", "nowhere.mp4"],
        ["data", "nope"],
        ["data", "inspect", "nowhere"],
        ["x"],
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(argv, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["kinora", *argv])
    assert cli.main() == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("kinora: error: ")
    assert printed.err.count("\n") == 1
