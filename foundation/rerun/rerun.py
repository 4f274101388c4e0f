"""`kinora rerun FILE`: make a clip or a sound again from its receipt, and see whether every bit is the same.

A receipt is a stranger's input. Its settings go through the schema of their command, its paths are ignored, the
model is whichever on this machine has the weights' sha256, and nothing in it is opened or instantiated.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foundation.checkpoints.lora.source import find_recorded
from foundation.rerun.comparison import check_same
from foundation.rerun.inputs import find_inputs
from foundation.runtime.preflight import check_machine
from foundation.runtime.settings import RuntimeSettings
from shared.config import Parser, from_mapping, one_of, shorten
from shared.console import note, result
from shared.errors import CheckFailed, InputError, WeightsError
from shared.media.naming import Output
from shared.results.soundtrack import SUFFIXES as SOUND_SUFFIXES

if TYPE_CHECKING:
    from shared.results import Clip
    from shared.results.soundtrack import Soundtrack


WeightsOf = Callable[[str], Mapping[str, Path]]

Again = Callable[[Mapping[str, Any], Mapping[str, Path]], "Clip | Soundtrack"]

MOST_THREADS = 1024


def main(argv: list[str], remakers: Mapping[str, str]) -> None:
    """Make a clip, or a sound, again.

    Args:
        argv: the command line.
        remakers: command -> module with `remake` or `remake_parts`.

    Raises:
        CheckFailed: The receipt was edited, or the new frames or samples differ.
        InputError: No receipt, or one that the schema refuses.
        WeightsError: The weights that made it are not here.
    """
    asked = _parser().read(argv)
    receipt = _read(asked.file, remakers)
    output = None if asked.out is None else _output(receipt, asked.out)
    made = _again(receipt, asked, remakers)
    if output is not None:
        title = str(receipt["request"].get("prompt") or "clip")
        frames = receipt.get("picture", {}).get("frames", 2)
        with output.reserved(title, receipt["seed"], frames) as path:
            result(str(made.save(path)))
    check_same(asked.file, receipt, made)
    result(f"{asked.file} was made again, bit for bit")


def _again(
    receipt: Mapping[str, Any],
    asked: Namespace,
    remakers: Mapping[str, str],
    known: Mapping[str, Path] | None = None,
) -> Clip | Soundtrack:
    """Make what a receipt is about again."""
    if receipt["command"] not in remakers:
        raise InputError(
            f"{asked.file} was made by {shorten(receipt['command'])}, and what is made again is {one_of(remakers)}"
        )
    remaker = import_module(remakers[receipt["command"]])
    if hasattr(remaker, "remake_parts"):
        return remaker.remake_parts(
            receipt, lambda part, media: _again(part, asked, remakers, media), asked.input
        )
    if known is None:
        _check_wanted(receipt, asked)
    return remaker.remake(
        receipt["request"], _chosen(receipt, asked, getattr(remaker, "weights", None), known or {})
    )


def _output(receipt: Mapping[str, Any], out: Path) -> Output:
    """Where the new clip or sound goes."""
    if "picture" in receipt:
        return Output.plan(out, None, several=False)
    kind = "mp4" if "inputs" in receipt.get("details", {}) else "wav"
    return Output.plan(out, None if out.suffix else kind, False, SOUND_SUFFIXES)


def _parser() -> Parser:
    parser = Parser(
        prog="kinora rerun", description="Make a clip again from its receipt and compare the frames."
    )
    parser.add_argument("--debug", action="store_true", help="show the trace of an error")
    parser.add_argument("--out", type=Path, help="keep the new clip: a file or a folder")
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        help="the model that made it, if it has no name here; a film's may be several",
    )
    parser.add_argument("--base", help="the rest of a model of which --model is the transformer alone")
    parser.add_argument(
        "--lora",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a LoRA that made it, if this machine has not used it before; its scale is in the receipt",
    )
    parser.add_argument(
        "--input",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a picture or other medium that it was made from, if this machine has not used it before",
    )
    parser.add_argument("--device", help="where to run [default: as the receipt says, if it is here]")
    parser.add_argument("file", type=Path, help="a clip, a picture, or a folder of PNGs")
    return parser


def _read(path: Path, remakers: Mapping[str, str]) -> dict[str, Any]:
    """The receipt of a file, if it is the one that was written and says enough."""
    from shared import receipts
    from shared.media.limited import check_medium

    check_medium(path)
    changed = receipts.verify(path).changed
    if changed == ("receipt",):
        raise CheckFailed(
            f"{path} is not as it was written: its receipt changed, so it does not say what made it"
        )
    if changed:
        note(f"{path} is not as it was written: its {one_of(changed)} changed")
    receipt = receipts.read_receipt(path)
    for key in ("command", "request", "seed", "weights_sha256"):
        if receipt.get(key) in (None, {}):
            raise InputError(f"{path} cannot be made again: its receipt has no {key}")
    return receipt


def _check_wanted(receipt: Mapping[str, Any], asked: Namespace) -> None:
    """Refuse files for a clip that was made without any."""
    details = receipt.get("details", {})
    if asked.lora and details.get("lora") is None:
        raise InputError(f"the clip was made without a LoRA: leave out --lora {asked.lora[0]}")
    if asked.input and details.get("inputs") is None:
        raise InputError(f"the clip was made from words alone: leave out --input {asked.input[0]}")


def _chosen(
    receipt: Mapping[str, Any], asked: Namespace, weights: WeightsOf | None, known: Mapping[str, Path]
) -> dict[str, Any]:
    """What replaces a stranger's settings: the files that have its hashes, and this machine's side of the run."""
    if asked.device is not None:
        check_machine(from_mapping(RuntimeSettings, {"device": asked.device}))
    runtime = receipt.get("runtime", {})
    model = find_model(receipt["weights_sha256"], asked.model, asked.base, receipt["command"], weights)
    import torch

    place = _place(runtime, asked.device)
    if 0 < runtime.get("threads", 0) <= MOST_THREADS:
        torch.set_num_threads(runtime["threads"])
    files = {**_loras(receipt, asked), **_inputs(receipt, asked, known)}
    chosen = {**place, "model": model, "base": asked.base, "seed": receipt["seed"], **files}
    return chosen if place["device"] == "cuda" else {**chosen, "offload": "none"}


def _loras(receipt: Mapping[str, Any], asked: Namespace) -> dict[str, Any]:
    """The setting `lora`, where the clip was made with any."""
    recorded = receipt.get("details", {}).get("lora")
    return {} if recorded is None else {"lora": find_recorded(recorded, asked.lora)}


def _inputs(receipt: Mapping[str, Any], asked: Namespace, known: Mapping[str, Path]) -> dict[str, Any]:
    """The media that the clip was made from, where it was made from any."""
    recorded = receipt.get("details", {}).get("inputs")
    if recorded is None:
        return {}
    if isinstance(recorded, dict):
        recorded = {name: entry for name, entry in recorded.items() if name not in known}
    return {"inputs": {**find_inputs(recorded, asked.input), **known}}


def _place(runtime: Mapping[str, Any], asked: str | None) -> dict[str, str]:
    """Device and precision: as recorded, or where the user wants it, or what is here."""
    from foundation.runtime.device import choose_device

    said = {key: runtime[key] for key in ("device", "dtype") if key in runtime}
    recorded = from_mapping(RuntimeSettings, said)
    if asked is not None:
        chosen = from_mapping(RuntimeSettings, {"device": asked})
        return {"device": choose_device(chosen.device).type, "dtype": recorded.dtype}
    try:
        device = choose_device(recorded.device)
    except InputError:
        device = choose_device("auto")
        note(
            f"made on {runtime['processor']} ({recorded.device}), which is not here; made again on {device.type}"
        )
    return {"device": device.type, "dtype": recorded.dtype}


def find_model(
    weights: Mapping[str, str],
    given: Sequence[str] = (),
    base: str | None = None,
    app: str | None = None,
    files: WeightsOf | None = None,
) -> str:
    """The model whose files have these hashes.

    Args:
        weights: name -> sha256, as a receipt has them.
        given: the only models to look at; none: all that have a name on this machine.
        base: gives the rest where one of `given` is a transformer alone.
        app: the command that made the clip, which may have weights of its own in a model folder.
        files: gives a model's weights files by its name; None: those of a video model.

    Raises:
        WeightsError: There is none; the line names a file that is missing.
    """
    from foundation.checkpoints.hashes import files_sha256
    from foundation.checkpoints.registry import find_parts, here

    missing = dict(weights)
    for name in given or here():
        try:
            found = files(name) if files is not None else find_parts(name, base, app).weights()
            digests = set(files_sha256(found).values())
        except WeightsError:
            if len(given) == 1:
                raise
            continue
        absent = {file: digest for file, digest in weights.items() if digest not in digests}
        if not absent:
            return name
        missing = min(missing, absent, key=len)
    file, digest = next(iter(missing.items()))
    whose = f"{one_of(given)} has not" if given else "no model here has"
    raise WeightsError(
        f"{whose} the weights that made the clip: {shorten(file)} with sha256 {digest[:16]}... is missing"
        f"{' and ' + str(len(missing) - 1) + ' more' if len(missing) > 1 else ''}; name the model with --model"
    )
