"""The `kinora` command: hands its words to a command of the table, which is imported when it is called."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import metadata

from apps.commands import COMMANDS, load
from shared import console
from shared.config import near_miss, shorten
from shared.errors import InputError


def main() -> int:
    """The console script: run the command line, return its exit code (see `console.run`)."""
    return console.run(dispatch, sys.argv[1:])


def dispatch(argv: Sequence[str]) -> int | None:
    """Hand the rest of the command line to the sub-command named first.

    Raises:
        InputError: There is no such command.
    """
    if not argv or argv[0] in ("-h", "--help", "help"):
        console.result(overview())
        return 0 if argv else InputError.exit_code
    if argv[0] == "--version":
        console.result(f"kinora {metadata.version('kinora')}")
        return 0
    command = COMMANDS.get(argv[0])
    if command is None:
        raise InputError(
            f"unknown command {shorten(argv[0])}{near_miss(argv[0], COMMANDS)} (see kinora --help)"
        )
    if command.main is not None:
        return load(command.main)(list(argv[1:]))
    from ui.cli import generate

    return generate(argv[0], list(argv[1:]))


def overview() -> str:
    """What `kinora --help` prints."""
    return console.overview(
        "kinora COMMAND ... [--debug]",
        {name: command.help for name, command in COMMANDS.items()},
        "Generate video and audio from prompts and images.",
        "kinora COMMAND --help shows a command's flags; --debug shows the trace of an error.",
    )


if __name__ == "__main__":
    sys.exit(main())
