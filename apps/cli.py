"""The `kinora` command: one table of sub-commands, each imported when it is called."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module, metadata

from shared import console
from shared.config import near_miss, shorten
from shared.errors import InputError


@dataclass(frozen=True)
class Command:
    """A sub-command: the module that has it, the function in there, and its line of help."""

    module: str
    function: str
    help: str


COMMANDS = {
    "t2v": Command("ui.cli", "t2v", "a sentence becomes a clip"),
    "i2v": Command("ui.cli", "i2v", "pictures and a sentence become a clip"),
    "v2a": Command("ui.cli", "v2a", "a clip is given a sound that fits what happens in it"),
    "film": Command("ui.cli", "film", "a sentence or a scene file becomes a film with sound"),
    "sweep": Command("apps.sweep.cli", "main", "every combination of lists of settings, and a table"),
    "rewrite": Command("apps.prompt_rewrite.cli", "main", "a prompt becomes one that the model understands"),
    "train": Command("apps.registry", "train", "train a recipe: kinora train RECIPE key=value ..."),
    "data": Command("apps.registry", "data", "what training would use of a folder of clips"),
    "models": Command(
        "foundation.checkpoints.cli", "main", "weights on this machine: list, get, convert, check"
    ),
    "lora": Command(
        "foundation.checkpoints.lora.cli", "main", "LoRA files: show one, write it in another layout"
    ),
    "evaluate": Command("apps.registry", "evaluate", "measure a model with the toybox's judges"),
    "rerun": Command("apps.registry", "rerun", "make a clip again from its receipt, compare every pixel"),
    "serve": Command(
        "ui.server", "main", "jobs over HTTP: submit, watch, fetch; the rewriter as a chat model"
    ),
    "ui": Command("ui.app", "main", "the same in a browser: a tab for each app, the queue, the gallery"),
    "show": Command("shared.receipts.cli", "show", "print the receipt in a clip"),
    "verify": Command("shared.receipts.cli", "verify", "find out whether a clip is as it was written"),
}


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
    return getattr(import_module(command.module), command.function)(list(argv[1:]))


def overview() -> str:
    """What `kinora --help` prints."""
    return console.overview(
        "kinora COMMAND ... [--debug]",
        {name: command.help for name, command in COMMANDS.items()},
        "A prompt or an image becomes a finished clip, with sound.",
        "kinora COMMAND --help shows a command's flags; --debug shows the trace of an error.",
    )


if __name__ == "__main__":
    sys.exit(main())
