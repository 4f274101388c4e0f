"""Weights files written tensor by tensor, so that a model is never held in memory as a whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch
from huggingface_hub import split_state_dict_into_shards_factory
from torch import Tensor

from foundation.checkpoints.layout import joined_shape
from foundation.models.float8 import dequantise

SHARD_SIZE = "10GB"
DIFFUSERS_FILE = "diffusion_pytorch_model{suffix}.safetensors"

_NAMES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64"}


@dataclass(frozen=True)
class Pending:
    """A tensor to be written: row blocks of a mapped file, joined, scaled and cast when its turn comes.

    Attributes:
        rows: the blocks.
        scales: one per block; None for a block that is not 8-bit.
        dtype: as written.
    """

    rows: tuple[Tensor, ...]
    scales: tuple[Tensor | None, ...]
    dtype: torch.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the joined tensor."""
        return joined_shape(self.rows)

    @property
    def size(self) -> int:
        """In bytes, as written."""
        return prod(self.shape) * self.dtype.itemsize

    def tensor(self) -> Tensor:
        """The tensor, with memory of its own."""
        blocks = [
            row.to(self.dtype) if scale is None else dequantise(row, scale).to(self.dtype)
            for row, scale in zip(self.rows, self.scales, strict=True)
        ]
        return torch.cat(blocks)


def write_safetensors(path: Path, tensors: Mapping[str, Pending]) -> None:
    """Write one safetensors file; its memory is that of the largest tensor."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for key, pending in tensors.items():
        start, end = end, end + pending.size
        header[key] = {
            "dtype": _NAMES[pending.dtype],
            "shape": pending.shape,
            "data_offsets": (start, end),
        }
    words = json.dumps(header, separators=(",", ":")).encode()
    words += b" " * (-len(words) % 8)
    with path.open("wb") as file:
        file.write(len(words).to_bytes(8, "little") + words)
        for pending in tensors.values():
            file.write(memoryview(pending.tensor().contiguous().view(torch.uint8).numpy()))


def write_pickle(path: Path, tensors: Mapping[str, Pending], wrapper: str | None) -> None:
    """Write a `.pt` as the official code reads it; the whole model is in memory meanwhile."""
    state = {key: pending.tensor() for key, pending in tensors.items()}
    torch.save({wrapper: state} if wrapper else state, path)


def write_shards(folder: Path, tensors: Mapping[str, Pending], config: str) -> None:
    """Write a part of a model folder in diffusers' layout: configuration, shards, and their index."""
    split = split_state_dict_into_shards_factory(
        dict(tensors),
        get_storage_size=lambda pending: pending.size,
        filename_pattern=DIFFUSERS_FILE,
        get_storage_id=lambda pending: None,
        max_shard_size=SHARD_SIZE,
    )
    folder.mkdir()
    (folder / "config.json").write_text(config)
    for name, keys in split.filename_to_tensors.items():
        write_safetensors(folder / name, {key: tensors[key] for key in keys})
    if split.is_sharded:
        index = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
        name = DIFFUSERS_FILE.format(suffix="") + ".index.json"
        (folder / name).write_text(json.dumps(index, indent=2) + "\n")
