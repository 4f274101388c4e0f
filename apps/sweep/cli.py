"""`kinora sweep COMMAND key=a,b,c ...`: every combination of lists of settings, and a table of what was made."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from apps.commands import COMMANDS, Command, remakers
from apps.film.host import ModelCache
from apps.sweep.axes import Combination, combinations, read_axes
from apps.sweep.grid import write_grid
from foundation.runtime.host import TERMINAL
from shared.config import Parser, near_miss, shorten
from shared.console import note, result
from shared.errors import InputError, KinoraError
from shared.media.files import check_writable, replacing
from shared.media.naming import DEFAULT_FOLDER

TABLE = "sweep.csv"
FAULT = 1
"""The exit code where a run failed through a fault of ours."""


@dataclass(frozen=True)
class Row:
    """What became of a combination: `made`, `there` already, or `failed` and why."""

    one: Combination
    state: str
    seconds: float = 0.0
    error: str = ""
    exit_code: int = 0


def main(argv: list[str]) -> int:
    """Read the words, and make what is not there yet.

    Returns:
        The exit code: 0, or that of the worst failure.

    Raises:
        KinoraError: A word, a combination or the folder is refused; then nothing was made.
    """
    asked = _parser().read(argv)
    media = remakers()
    if asked.command not in media:
        raise InputError(f"unknown command {shorten(asked.command)}{near_miss(asked.command, media)}")
    command = COMMANDS[asked.command]
    axes = read_axes(command.schema(), asked.settings)
    if not {"seed", "scenes"} & axes.keys():
        note("seed 0 for all; seed=1,2,3 makes more of each")
        axes["seed"] = ["0"]
    check_writable(asked.out)
    todo = combinations(command, axes, asked.out)
    return sweep(command, todo, asked.out / TABLE)


def sweep(command: Command, todo: Sequence[Combination], table: Path) -> int:
    """Make what is not there; one that fails stands in the table and stops no other.

    Returns:
        The exit code.
    """
    host, rows = ModelCache(TERMINAL), []
    for number, one in enumerate(todo, 1):
        note(f"{number} of {len(todo)}: {one.file.name}{' is there' if one.file.exists() else ''}")
        rows.append(Row(one, "there") if one.file.exists() else _run(command, one, host))
        _write(rows, table)
    result(str(table))
    made = [(row.one.file, row.one.values) for row in rows if row.state != "failed"]
    if made:
        note(f"side by side: {', '.join(map(str, write_grid(made, table)))}")
    failed = [row for row in rows if row.state == "failed"]
    if failed:
        note(f"{len(failed)} of {len(rows)} failed, see {table}; the same command tries them again")
    return min((row.exit_code for row in failed), default=0)


def _run(command: Command, one: Combination, host: ModelCache) -> Row:
    start = time.monotonic()
    try:
        command.run(one.request, host)
    except Exception as error:  # whatever it was, the others shall still be made
        line = " ".join((str(error) or type(error).__name__).split())
        note(f"failed: {one.file.name}: {line}")
        code = error.exit_code if isinstance(error, KinoraError) else FAULT
        return Row(one, "failed", time.monotonic() - start, line, code)
    return Row(one, "made", time.monotonic() - start)


def _write(rows: Sequence[Row], table: Path) -> None:
    """The table as CSV: what was made, how it went, then the settings."""
    text = io.StringIO()
    columns = ["file", "state", "seconds", "error", *rows[0].one.values]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        about = [row.one.file.name, row.state, f"{row.seconds:.2f}" if row.seconds else "", row.error]
        writer.writerow([*about, *row.one.values.values()])
    with replacing(table) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


def _parser() -> Parser:
    parser = Parser(
        prog="kinora sweep", description="Make every combination of lists of settings, and a table of them."
    )
    parser.add_argument("--debug", action="store_true", help="show the trace of an error")
    parser.add_argument(
        "--out",
        type=Path,
        default=DEFAULT_FOLDER / "sweep",
        metavar="FOLDER",
        help="where files, sweep.csv, sweep.html and sweep.png go",
    )
    parser.add_argument("command", help="t2v, i2v, v2a or film; kinora COMMAND --help shows its settings")
    parser.add_argument(
        "settings",
        nargs="+",
        metavar="KEY=VALUE",
        help="seed=1,2,3 lists numbers, sizes and choices; texts and files come one to a word, and a key may come "
        "again; prompt=@FILE takes the lines of a file, image=FOLDER its pictures",
    )
    return parser
