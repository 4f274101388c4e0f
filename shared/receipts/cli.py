"""`kinora show FILE` and `kinora verify FILE`."""

from __future__ import annotations

import json
from pathlib import Path

from shared.config import Parser, one_of
from shared.console import printable, result
from shared.errors import CheckFailed


def show(argv: list[str]) -> None:
    """Print the receipt of a file."""
    path = _file(argv, "kinora show", "Print what a file says about its making.")

    from shared.receipts import read_receipt  # after --help, which needs no FFmpeg

    result(printable(json.dumps(read_receipt(path), indent=2, ensure_ascii=False)))


def verify(argv: list[str]) -> None:
    """Say whether a file is still as it was written.

    Raises:
        CheckFailed: It is not.
    """
    path = _file(argv, "kinora verify", "Hash a file again and say what changed since it was written.")

    from shared import receipts

    found = receipts.verify(path)
    if not found.holds:
        raise CheckFailed(f"{path} is not as it was written: its {one_of(found.changed)} changed")
    result(f"{path} is as it was written")


def _file(argv: list[str], prog: str, description: str) -> Path:
    parser = Parser(prog=prog, description=description)
    parser.add_argument("--debug", action="store_true", help="show the trace of an error")
    parser.add_argument("file", type=Path, help="a clip, a picture, or a folder of PNGs")
    return parser.read(argv).file
