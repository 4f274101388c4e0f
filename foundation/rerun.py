"""`kinora rerun FILE`: make a clip again from its receipt, and see whether every pixel is the same.

A receipt is a stranger's input. Its settings go through the schema of their command, its paths are ignored, the
model is whichever on this machine has the weights' sha256, and nothing in it is opened or instantiated.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foundation.inputs import find_inputs
from foundation.runtime.settings import RuntimeSettings
from foundation.weights.lora.source import find_recorded
from shared.config import Parser, from_mapping, one_of, shorten
from shared.console import note, result, run
from shared.errors import CheckFailed, InputError, WeightsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from shared.media import Clip

REMAKERS = {"t2v": "foundation.cli"}
"""Command -> the module whose `remake(recorded, chosen) -> Clip` makes its clips."""

MOST_THREADS = 1024


def main(argv: list[str], remakers: Mapping[str, str] = REMAKERS) -> None:
    """Make a clip again.

    Args:
        argv: the command line.
        remakers: to choose from; the apps bring more than the foundation's own.

    Raises:
        CheckFailed: The receipt was edited, or the new frames differ.
        InputError: No receipt, or one that the schema refuses.
        WeightsError: The weights that made it are not here.
    """
    asked = _parser().read(argv)

    from shared.media import Output

    output = None if asked.out is None else Output.plan(asked.out, None, several=False)
    receipt = _read(asked.file, remakers)
    clip = import_module(remakers[receipt["command"]]).remake(receipt["request"], _chosen(receipt, asked))
    if output is not None:
        path = output.path(str(receipt["request"].get("prompt", "clip")), receipt["seed"], len(clip.frames))
        result(str(clip.save(path)))
    check_frames(asked.file, receipt, clip)
    result(f"{asked.file} was made again, bit for bit")


def _parser() -> Parser:
    parser = Parser(
        prog="kinora rerun", description="Make a clip again from its receipt and compare the frames."
    )
    parser.add_argument("--debug", action="store_true", help="show the trace of an error")
    parser.add_argument("--out", type=Path, help="keep the new clip: a file or a folder")
    parser.add_argument("--model", help="the model that made it, if it has no name here")
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
    from shared import provenance

    changed = provenance.verify(path).changed
    if changed == ("receipt",):
        raise CheckFailed(
            f"{path} is not as it was written: its receipt changed, so it does not say what made it"
        )
    if changed:
        note(f"{path} is not as it was written: its {one_of(changed)} changed")
    receipt = provenance.read_receipt(path)
    for key in ("command", "request", "seed", "weights_sha256"):
        if receipt.get(key) in (None, {}):
            raise InputError(f"{path} cannot be made again: its receipt has no {key}")
    if receipt["command"] not in remakers:
        raise InputError(
            f"{path} was made by {shorten(receipt['command'])}, and what is made again is {one_of(remakers)}"
        )
    return receipt


def _chosen(receipt: Mapping[str, Any], asked: Namespace) -> dict[str, Any]:
    """What replaces a stranger's settings: the files that have its hashes, and this machine's side of the run."""
    import torch

    runtime = receipt.get("runtime", {})
    model = find_model(receipt["weights_sha256"], asked.model, asked.base, receipt["command"])
    place = _place(runtime, asked.device)
    if 0 < runtime.get("threads", 0) <= MOST_THREADS:
        torch.set_num_threads(runtime["threads"])
    files = {**_loras(receipt, asked), **_inputs(receipt, asked)}
    chosen = {**place, "model": model, "base": asked.base, "seed": receipt["seed"], **files}
    return chosen if place["device"] == "cuda" else {**chosen, "offload": "none"}


def _loras(receipt: Mapping[str, Any], asked: Namespace) -> dict[str, Any]:
    """The setting `lora`, where the clip was made with any."""
    recorded = receipt.get("details", {}).get("lora")
    if recorded is None and asked.lora:
        raise InputError(f"the clip was made without a LoRA: leave out --lora {asked.lora[0]}")
    return {} if recorded is None else {"lora": find_recorded(recorded, asked.lora)}


def _inputs(receipt: Mapping[str, Any], asked: Namespace) -> dict[str, Any]:
    """The media that the clip was made from, where it was made from any."""
    recorded = receipt.get("details", {}).get("inputs")
    if recorded is None and asked.input:
        raise InputError(f"the clip was made from words alone: leave out --input {asked.input[0]}")
    return {} if recorded is None else {"inputs": find_inputs(recorded, asked.input)}


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
    weights: Mapping[str, str], given: str | None = None, base: str | None = None, app: str | None = None
) -> str:
    """The model whose files have these hashes.

    Args:
        weights: name -> sha256, as a receipt has them.
        given: the only model to look at; None: all that have a name on this machine.
        base: gives the rest where `given` is a transformer alone.
        app: the command that made the clip, which may have weights of its own in a model folder.

    Raises:
        WeightsError: There is none; the line names a file that is missing.
    """
    from foundation.weights.fingerprint import files_sha256
    from foundation.weights.registry import find_parts, here

    missing = dict(weights)
    for name in [given] if given is not None else here():
        try:
            digests = set(files_sha256(find_parts(name, base, app).weights()).values())
        except WeightsError:
            if given is not None:
                raise
            continue
        absent = {file: digest for file, digest in weights.items() if digest not in digests}
        if not absent:
            return name
        missing = min(missing, absent, key=len)
    file, digest = next(iter(missing.items()))
    whose = "no model here has" if given is None else f"{given} has not"
    raise WeightsError(
        f"{whose} the weights that made the clip: {shorten(file)} with sha256 {digest[:16]}... is missing"
        f"{' and ' + str(len(missing) - 1) + ' more' if len(missing) > 1 else ''}; name the model with --model"
    )


def check_frames(path: Path, receipt: Mapping[str, Any], clip: Clip) -> None:
    """Hold the new frames against the recorded hash.

    Raises:
        CheckFailed: They differ; the line says how far, where the file can tell, and what is different here.
    """
    from shared.media.picture import pixels_sha256

    if pixels_sha256(clip.frames) != receipt["raw_frames_sha256"]:
        raise CheckFailed(
            f"{path} was made again, but not bit for bit: {_distance(path, receipt, clip.frames)}; "
            f"{_differences(receipt, clip)}"
        )


def _distance(path: Path, receipt: Mapping[str, Any], frames: NDArray[np.uint8]) -> str:
    import numpy as np

    original = _original(path, receipt["raw_frames_sha256"])
    if original is None:
        return "how far apart they are cannot be told, for the file does not hold its every pixel (MKV and PNG do)"
    if original.shape != frames.shape:
        return f"frames are {frames.shape} where they were {original.shape}"
    gap = np.abs(original.astype(np.int16) - frames)
    decibels = 20 * np.log10(255) - 10 * np.log10(np.mean(np.square(gap, dtype=np.float64)))
    return f"frames differ by {gap.max()} of 255 levels at most, PSNR {decibels:.1f} dB"


def _original(path: Path, raw_sha256: str) -> NDArray[np.uint8] | None:
    """The frames as they were before any codec, if the file still holds them."""
    from shared.media import read_clip
    from shared.media.picture import pixels_sha256

    try:
        frames = read_clip(path).frames
    except InputError:
        return None
    return frames if pixels_sha256(frames) == raw_sha256 else None


def _differences(receipt: Mapping[str, Any], clip: Clip) -> str:
    """What the receipt names and is not so here."""
    from shared.provenance.receipt import versions

    there = {**receipt["versions"], **receipt.get("runtime", {})}
    here = {**versions(), **clip.metadata.get("runtime", {})}
    found = [
        f"{name} {shorten(there[name], 40)} there, {here.get(name, 'none')!r} here"
        for name in there
        if there[name] != here.get(name)
    ]
    return ", ".join(found) or "versions, device, precision and threads are the same here as there"


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
