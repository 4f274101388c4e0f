"""Commands whose first word names an action, such as `kinora models list`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from shared.config import Parser, near_miss, shorten
from shared.console import overview, result
from shared.errors import InputError

Action = Callable[[list[str]], None]
"""Takes the rest of the command line; its docstring is its line of help."""


def act(command: str, actions: Mapping[str, Action], argv: Sequence[str]) -> None:
    """Carry out the action named first, or print what there is.

    Raises:
        InputError: there is no such action.
    """
    if not argv or argv[0] in ("-h", "--help"):
        lines = {name: (action.__doc__ or "").split("\n")[0].rstrip(".") for name, action in actions.items()}
        result(overview(f"{command} ACTION ...", lines, after=f"{command} ACTION --help shows its flags."))
        return
    name, *rest = argv
    if name not in actions:
        raise InputError(f"unknown action {shorten(name)}{near_miss(name, actions)} (see {command} --help)")
    actions[name](rest)


def parser_of(command: str, action: Action) -> Parser:
    """A parser for an action's flags; `command` includes its name."""
    parser = Parser(prog=command, description=action.__doc__)
    parser.add_argument("--debug", action="store_true", help="show the trace of an error")
    return parser
