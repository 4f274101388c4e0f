"""Generating commands as the command line has them: carried out here, or with `--server URL` there."""

from __future__ import annotations

from importlib import import_module

from shared.config import from_argv
from ui.jobs.commands import COMMANDS

HERE = {
    "t2v": ("apps.film", "text_to_video"),
    "i2v": ("apps.film", "image_to_video"),
    "v2a": ("apps.v2a.cli", "main"),
    "film": ("apps.film.cli", "main"),
}
"""Command -> module and function that read its flags and carry it out on this machine."""


def t2v(argv: list[str]) -> None:
    """`kinora t2v`."""
    generate("t2v", argv)


def i2v(argv: list[str]) -> None:
    """`kinora i2v`."""
    generate("i2v", argv)


def v2a(argv: list[str]) -> None:
    """`kinora v2a`."""
    generate("v2a", argv)


def film(argv: list[str]) -> None:
    """`kinora film`."""
    generate("film", argv)


def generate(name: str, argv: list[str]) -> None:
    """Hand a command line to who carries it out.

    Raises:
        KinoraError: A flag is refused, or something goes wrong there.
    """
    if not any(word.split("=")[0] in ("--server", "--help", "-h") for word in argv):
        module, function = HERE[name]
        return getattr(import_module(module), function)(argv)
    from ui.client.remote import Remote, carry_out, with_server

    command = COMMANDS[name]
    about = f"{command.help[0].upper()}{command.help[1:]}."
    asked: Remote = from_argv(with_server(command.schema()), argv, f"kinora {name}", about, word=command.word)
    return carry_out(command, asked)
