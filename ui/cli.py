"""Commands that make files, as the command line has them: carried out here, or with `--server URL` there."""

from __future__ import annotations

from apps.commands import COMMANDS
from foundation.runtime.host import TERMINAL
from shared.config import from_argv


def generate(name: str, argv: list[str]) -> None:
    """Read a command's flags and carry it out.

    Args:
        name: of a command that makes files.
        argv: the words behind it.

    Raises:
        KinoraError: a flag is refused, or something goes wrong while it is carried out.
    """
    command = COMMANDS[name]
    prog, about = f"kinora {name}", f"{command.help[0].upper()}{command.help[1:]}."
    if not any(word.split("=")[0] in ("--server", "--help", "-h") for word in argv):
        command.run(from_argv(command.schema(), argv, prog, about, word=command.word), TERMINAL)
        return
    from ui.client.remote import carry_out, with_server
    from ui.jobs.commands import find_command

    asked = from_argv(with_server(command.schema()), argv, prog, about, word=command.word)
    carry_out(find_command(name), asked)
