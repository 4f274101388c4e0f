"""`kinora lora`: what a LoRA file is, and the same update in another layout."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from foundation.checkpoints.lora.source import SUFFIX, Lora, check_loras
from foundation.checkpoints.registry import BASE, here
from shared.actions import Action, act, parser_of
from shared.config import local_path, some_of
from shared.console import note, printable, result, run
from shared.errors import InputError, WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import nn

    from foundation.checkpoints.lora.files import LoraFile

LAYOUTS = ("diffusers", "official", "kohya")


def main(argv: Sequence[str]) -> None:
    """Run the action named first.

    Raises:
        KinoraError: an unknown action or flag, or a file that is refused.
    """
    act("kinora lora", ACTIONS, argv)


def _show(argv: list[str]) -> None:
    """Print a LoRA's layout, rank, alpha and layers, and the models that have those layers."""
    parser = parser_of("kinora lora show", _show)
    parser.add_argument("file", type=Path, help="a .safetensors file, or the folder of one")
    parser.add_argument("--model", help="the model to hold it against [default: all that have a name]")
    asked = parser.read(argv)
    file = _open(asked.file)

    layers = file.pairs.values()
    lines = {
        "layout": file.layout,
        "rank": _counted(pair.rank for pair in layers),
        "alpha": _counted(f"{pair.alpha:g}" for pair in layers),
        "layers": f"{len(layers)}, as diffusers counts them",
        "dtype": _counted(str(pair.up.dtype).removeprefix("torch.") for pair in layers),
        "unknown": f"{len(file.unknown)} keys{f': {some_of(file.unknown)}' if file.unknown else ''}",
    }
    for name, value in lines.items():
        result(printable(f"{name:<14}{value}"))
    for name, finding in _held_against(file, asked.model):
        result(printable(f"{name:<14}{finding}"))


def _convert(argv: list[str]) -> None:
    """Write a LoRA in another layout: the update stays the same, and so does its alpha."""
    parser = parser_of("kinora lora convert", _convert)
    parser.add_argument("source", type=Path, help="a .safetensors file, or the folder of one")
    parser.add_argument("target", type=Path, help="a .safetensors file")
    parser.add_argument("--to", choices=LAYOUTS, required=True, help="layout of what is written")
    parser.add_argument("--overwrite", action="store_true", help="replace the target if it exists")
    asked = parser.read(argv)
    target = local_path(asked.target)
    if target.suffix != SUFFIX:
        raise InputError(f"{target} must end in {SUFFIX}")
    if target.exists() and not asked.overwrite:
        raise InputError(f"{target} exists: give another name, or --overwrite")
    file = _open(asked.source)

    from foundation.checkpoints.lora.files import write_lora

    if file.unknown:
        note(f"left out, for HunyuanVideo's transformer has no such layers: {some_of(file.unknown)}")
    write_lora(target, file.pairs, asked.to, file.metadata)
    result(str(target))


def _open(path: Path) -> LoraFile:
    """Read a file whose header was looked at before torch is imported."""
    lora = Lora(local_path(path))
    check_loras([lora])

    from foundation.checkpoints.lora.files import read_lora

    return read_lora(lora.path)


def _held_against(file: LoraFile, asked: str | None) -> Iterator[tuple[str, str]]:
    """Each model's name, and what of the LoRA it has layers for; one that was asked for has to fit."""
    from foundation.checkpoints.lora.adapters import match

    for name in [asked] if asked else dict.fromkeys((*here(), BASE)):
        try:
            yield name, f"fits: {match(_architecture(name), file)}"
        except WeightsError as error:
            if asked:
                raise
            yield name, f"does not fit: {error}"


def _architecture(name: str) -> nn.Module:
    """A model's transformer without its numbers; that of the released weights is known without the file."""
    import torch

    from foundation.checkpoints.configuration import TRANSFORMER
    from foundation.checkpoints.registry import find_parts
    from foundation.checkpoints.single_file import open_weights
    from foundation.models.transformer.model import VideoTransformer

    if name == BASE and BASE not in here():
        with torch.device("meta"):
            return VideoTransformer()
    return open_weights(VideoTransformer, TRANSFORMER, find_parts(name).transformer).model


def _counted(values: Iterable[object]) -> str:
    """What there is, the commonest first, with the numbers of layers where it differs."""
    counts = Counter(map(str, values)).most_common()
    return counts[0][0] if len(counts) == 1 else ", ".join(f"{value} ({number})" for value, number in counts)


ACTIONS: dict[str, Action] = {"show": _show, "convert": _convert}


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
