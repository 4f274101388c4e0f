"""`kinora models`: what is here, fetch, convert, check."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from foundation.checkpoints.registry import KNOWN, here, weights_of
from shared.actions import Action, act, parser_of
from shared.config import local_path, near_miss, shorten
from shared.console import note, printable, result, run
from shared.errors import CheckFailed, InputError

LAYOUTS = ("official", "diffusers")
DTYPES = ("float32", "bfloat16", "float16")


def main(argv: Sequence[str]) -> None:
    """Run the action named first.

    Raises:
        InputError: an unknown action or flag.
        CheckFailed: `check` found a changed or damaged file.
    """
    act("kinora models", ACTIONS, argv)


def _list(argv: list[str]) -> None:
    """The models that have a name, and which of them are on this machine."""
    parser_of("kinora models list", _list).read(argv)
    found = here()
    for name in {**found, **KNOWN}:
        about = (
            KNOWN[name].about
            if name in KNOWN
            else "small weights, text to video"
            if name == "starter"
            else ""
        )
        state = str(found[name]) if name in found else f"not here, about {KNOWN[name].gigabytes} GB"
        result(f"{name:<20}{about:<30}{state}")


def _get(argv: list[str]) -> None:
    """Fetch a model, once size and free disk are known."""
    parser = parser_of("kinora models get", _get)
    parser.add_argument("name", help=f"{', '.join(KNOWN)}, or a hub id ORGANISATION/NAME")
    name = parser.read(argv).name
    if name == "starter":
        raise InputError("starter is part of this repository: there is nothing to fetch")
    if name not in KNOWN and name.count("/") != 1:
        raise InputError(
            f"{shorten(name)} is no model's name{near_miss(name, KNOWN)}: see kinora models list"
        )

    from foundation.checkpoints.fetch import fetch

    result(str(fetch(name, note)))


def _convert(argv: list[str]) -> None:
    """Write a transformer or a VAE in the official or diffusers' layout."""
    parser = parser_of("kinora models convert", _convert)
    parser.add_argument("source", type=Path, help="a .safetensors or .pt file, or a part of a model folder")
    parser.add_argument("target", type=Path, help="a .safetensors or official .pt file, or a folder")
    parser.add_argument("--layout", choices=LAYOUTS, required=True, help="of what is written")
    parser.add_argument("--dtype", choices=DTYPES, help="[default: the source's; bfloat16 for 8-bit weights]")
    asked = parser.read(argv)

    import torch

    from foundation.checkpoints.convert import convert

    dtype = getattr(torch, asked.dtype) if asked.dtype else None
    convert(local_path(asked.source), local_path(asked.target), asked.layout, dtype, note)
    result(str(asked.target))


def _check(argv: list[str]) -> None:
    """Hash every weights file again and name those that changed since they were first seen."""
    parser = parser_of("kinora models check", _check)
    parser.add_argument(
        "name", nargs="?", help="a name, a folder or a file [default: all models that have a name]"
    )
    parser.add_argument("--accept", action="store_true", help="take what is there for what should be there")
    asked = parser.read(argv)
    models = {name: weights_of(name) for name in ([asked.name] if asked.name else here())}

    from foundation.checkpoints.tensors import check_files

    wrong = []
    for model, files in models.items():
        for finding in check_files(files, asked.accept):
            result(printable(f"{finding.state:<11}{model}: {finding.name} {finding.reason}".rstrip()))
            if not finding.holds:
                wrong.append(f"{finding.name} of {model} ({finding.state})")
    if wrong:
        raise CheckFailed(f"not what they were: {', '.join(wrong)}; `--accept` takes changes that you made")


ACTIONS: dict[str, Action] = {
    "list": _list,
    "get": _get,
    "convert": _convert,
    "check": _check,
}


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
