"""Quantised weights in GGUF files, through diffusers' GGUF layers and the `gguf` package."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from shared.errors import WeightsError, first_line
from shared.imports import require

SHAPE_KEY = "comfy.gguf.orig_shape."
"""Where converters write the shape of a tensor whose rows they regrouped, or that has five dimensions."""


def is_quantised(tensor: Tensor) -> bool:
    """Whether a tensor holds blocks of bits that stand for numbers."""
    return hasattr(tensor, "quant_type")


def read_gguf(path: Path) -> dict[str, Tensor]:
    """The tensors of a GGUF file by key: quantised ones as diffusers' `GGUFParameter`, others as they are.

    Raises:
        InputError: the package `gguf` is not installed.
        WeightsError: the file is damaged, or quantised in a way that diffusers does not know.
    """
    require("gguf", "gguf", f"{path.name}, a GGUF file,")
    try:
        reader = import_module("gguf").GGUFReader(path)
        return {stored.name: _tensor(stored, _shape(reader, stored.name)) for stored in reader.tensors}
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    except Exception as error:  # the package names no common class for what a stranger's header can cause
        raise WeightsError(
            f"{path} is damaged or no GGUF file: {first_line(error)}; fetch it again"
        ) from error


def plain(tensor: Tensor) -> Tensor:
    """The numbers that a tensor stands for."""
    if not is_quantised(tensor):
        return tensor
    from diffusers.quantizers.gguf.utils import dequantize_gguf_tensor

    return dequantize_gguf_tensor(tensor)


def use_gguf(model: nn.Module, state: Mapping[str, Tensor], compute: torch.dtype) -> dict[str, Tensor]:
    """Make ready for `load_state_dict`: quantised linear layers in the model, and a state that fits them.

    Args:
        model: on the meta device; its linear layers are replaced where their weight is quantised.
        state: by the model's keys.
        compute: the precision that layers multiply in, and of all other parameters.

    Returns:
        The state, with numbers wherever a layer is not linear.
    """
    ready = {}
    for key, tensor in state.items():
        name, _, kind = key.rpartition(".")
        layer = model.get_submodule(name)
        if is_quantised(tensor) and kind == "weight" and isinstance(layer, nn.Linear):
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, _quantised_linear(layer, tensor, compute))
            ready[key] = tensor
        else:
            ready[key] = plain(tensor).to(compute)
    return ready


def _quantised_linear(layer: nn.Linear, weight: Tensor, compute: torch.dtype) -> nn.Module:
    from diffusers.quantizers.gguf.utils import GGUFLinear

    with torch.device("meta"):
        made = GGUFLinear(layer.in_features, layer.out_features, layer.bias is not None, compute)
    made.weight = weight
    return made


def _tensor(stored: Any, shape: tuple[int, ...] | None) -> Tensor:
    from diffusers.quantizers.gguf.utils import SUPPORTED_GGUF_QUANT_TYPES, GGUFParameter

    data = torch.from_numpy(stored.data.copy())
    if stored.tensor_type.name in ("F32", "F16"):
        return data if shape is None else data.reshape(shape)
    if stored.tensor_type not in SUPPORTED_GGUF_QUANT_TYPES:
        raise WeightsError(f"{stored.name} is quantised as {stored.tensor_type.name}, which is not read")
    tensor = GGUFParameter(data, quant_type=stored.tensor_type)
    return tensor if shape in (None, tuple(tensor.quant_shape)) else plain(tensor).reshape(shape)


def _shape(reader: Any, name: str) -> tuple[int, ...] | None:
    """The shape that the file's maker wrote down beside a tensor; None where the tensor's own holds."""
    field = reader.fields.get(f"{SHAPE_KEY}{name}")
    return None if field is None else tuple(int(field.parts[place][0]) for place in field.data)
