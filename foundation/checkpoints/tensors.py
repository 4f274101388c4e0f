"""Tensors of weights files: mapped from the disk, and checked against what they were."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import safe_open
from torch import Tensor

from foundation.checkpoints.gguf import read_gguf
from foundation.checkpoints.hashes import Record, open_record
from foundation.checkpoints.pickles import check_pickle
from foundation.checkpoints.registry import GGUF, WEIGHT_SUFFIXES
from foundation.models.float8 import FLOAT8, SCALE_DTYPE
from shared.config import shorten
from shared.errors import KinoraError, WeightsError, first_line

WRAPPERS = ("module", "ema", "state_dict")
"""Outer keys of a pickled checkpoint, in the order in which they are preferred."""

_WRAPPED = re.compile(r"\b(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
"""What torch.compile, FSDP and activation checkpointing put into the names of the modules that they wrap."""


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a file, or of a folder's safetensors files, by key, without the names of wrappers.

    Pickles are opened by torch's restricted unpickler, which builds tensors and plain containers only.

    Raises:
        WeightsError: the file is missing, empty, cut, damaged, or holds anything but tensors.
    """
    if path.is_dir():
        return _read_folder(path)
    if not path.is_file():
        raise WeightsError(f"{path} is missing: a weights file ({', '.join(WEIGHT_SUFFIXES[:2])}) is needed")
    if not path.stat().st_size:
        raise WeightsError(f"{path} is empty: fetch or copy it again")
    if path.suffix not in WEIGHT_SUFFIXES:
        raise WeightsError(f"{path} is no weights file: {', '.join(WEIGHT_SUFFIXES)} are read")
    if path.suffix == GGUF:
        return read_gguf(path)
    stored = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    return _strip_wrappers(stored, path)


def _strip_wrappers(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    stripped: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        name = _WRAPPED.sub("", key)
        if name in stripped:
            raise WeightsError(f"{path} holds {name[:60]} twice, once as {key[:80]}: one of them is expected")
        stripped[name] = tensor
    return stripped


def _read_folder(folder: Path) -> dict[str, Tensor]:
    """Every safetensors file of a folder, which must be those that its index names."""
    files = sorted(folder.glob("*.safetensors"))
    for index in folder.glob("*.safetensors.index.json"):
        try:
            files = sorted({folder / name for name in json.loads(index.read_text())["weight_map"].values()})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise WeightsError(f"{index} is damaged: {error}") from error
        if any(file.parent != folder for file in files):
            raise WeightsError(f"{index} names files outside of its folder")
    if not files:
        raise WeightsError(f"{folder} holds no safetensors file")
    return {key: tensor for file in files for key, tensor in read_tensors(file).items()}


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no mapping)
    except Exception as error:  # the library names no common class for what a stranger's header can cause
        raise WeightsError(f"{path} is damaged or cut: {first_line(error)}; fetch it again") from error


def _read_pickle(path: Path) -> dict[str, Tensor]:
    check_pickle(path)
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # a damaged pickle can raise anything; nothing of it is kept
        raise WeightsError(f"{path} {_pickle_fault(error)}") from error
    try:
        tensors = _unwrap(loaded)
    except RecursionError:
        raise WeightsError(f"{path} holds itself: a mapping of names to tensors is expected") from None
    if not isinstance(tensors, Mapping) or not tensors:
        raise WeightsError(f"{path} holds no weights: a mapping of names to tensors is expected")
    for key, tensor in tensors.items():
        if not isinstance(key, str) or not isinstance(tensor, Tensor):
            raise WeightsError(
                f"{path} holds a {type(tensor).__name__} at {shorten(key)}: only tensors are expected"
            )
        if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
            raise WeightsError(f"{path}: {key} is no plain tensor")
    return dict(tensors)


def _unwrap(loaded: Any) -> Any:
    """The mapping inside of the wrappers, as deep as they go.

    Raises:
        RecursionError: a mapping is inside of itself.
    """
    seen: set[int] = set()
    while isinstance(loaded, Mapping):
        if id(loaded) in seen:
            raise RecursionError
        seen.add(id(loaded))
        inner = next((loaded[name] for name in WRAPPERS if isinstance(loaded.get(name), Mapping)), None)
        if inner is None:
            return loaded
        loaded = inner
    return loaded


def _pickle_fault(error: Exception) -> str:
    text = str(error)
    if "Weights only load failed" in text or "Unsupported" in text:
        return (
            "holds more than weights (code or foreign objects), and is not opened: use its safetensors file"
        )
    if "mmap can only be used" in text:
        return "is of a format before PyTorch 1.6: save it again with torch.save, or use its safetensors file"
    return f"is damaged or cut: {first_line(error)}; fetch it again"


@dataclass(frozen=True)
class Finding:
    """What became of one file since it was first hashed."""

    name: str
    state: Literal["unchanged", "recorded", "changed", "damaged"]
    reason: str = ""

    @property
    def holds(self) -> bool:
        """Whether there is nothing to complain of."""
        return self.state in ("unchanged", "recorded")


def check_files(files: Mapping[str, Path], accept: bool = False) -> Generator[Finding]:
    """Hash every weights file anew and see that it opens, file by file.

    Args:
        files: by the name under which they are reported.
        accept: take what is there for what should be there.
    """
    with open_record() as record:
        for name, path in files.items():
            yield _check_file(record, name, path, accept)


def _check_file(record: Record, name: str, path: Path, accept: bool) -> Finding:
    first = record.first(path)
    try:
        read_tensors(path)
        digest = record.accept(path) if accept else record.sha256(path, fresh=True)
    except KinoraError as error:
        return Finding(name, "damaged", str(error))
    if first is None or accept:
        return Finding(name, "recorded", digest[:12])
    return Finding(name, "unchanged" if digest == first else "changed", f"{first[:12]} -> {digest[:12]}")


def read_scales(path: Path, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Scales of a file's float8 layers by the layer's name; none when nothing in it is float8.

    Args:
        path: the weights; scales lie beside, in `NAME_map.pt` (official) or `NAME_map.safetensors`.
        tensors: of that file.

    Raises:
        WeightsError: the scales are missing, or do not belong to these layers.
    """
    stored = {key.removesuffix(".weight") for key, tensor in tensors.items() if tensor.dtype in FLOAT8}
    if not stored:
        return {}
    homes = [path.with_name(f"{path.stem}_map{suffix}") for suffix in (".pt", ".safetensors")]
    home = next((file for file in homes if file.is_file()), None)
    if home is None:
        raise WeightsError(
            f"{path} holds 8-bit weights, and the scales beside it are missing: {homes[0].name}"
        )
    scales = {layer: scale.detach().to(SCALE_DTYPE) for layer, scale in read_tensors(home).items()}
    for layer in sorted(stored ^ scales.keys()):
        lacks = "a scale" if layer in stored else "an 8-bit weight"
        raise WeightsError(f"{home} does not belong to {path}: {layer} lacks {lacks}")
    for layer, scale in scales.items():
        if scale.numel() != 1 or not torch.isfinite(scale).all():
            raise WeightsError(f"{home}: the scale of {layer} must be one finite number")
    return {layer: scale.reshape(()) for layer, scale in scales.items()}
