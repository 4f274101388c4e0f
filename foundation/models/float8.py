"""Linear layers whose weight is stored in 8-bit floats with one scale per layer, as the official fp8 file has it.

Storage only: the weight is multiplied out in the activations' dtype for every use (spec section 5).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from shared.errors import ConfigError, WeightsError

FLOAT8 = (torch.float8_e4m3fn, torch.float8_e5m2)
SCALE_DTYPE = torch.bfloat16
"""Scales are rounded to it in the official code, whatever their file holds."""


class Float8Linear(nn.Linear):
    """A linear layer that holds `weight` (out, in) in float8 and a scalar `scale`, and computes with their product.

    A cast of the module would round the weight without its scale, so it is refused; moving it is not.
    """

    scale: Tensor

    def __init__(self, in_features: int, out_features: int, bias: bool = True, device: Any = None) -> None:
        super().__init__(in_features, out_features, bias, device, SCALE_DTYPE)
        stored = torch.empty(out_features, in_features, device=device, dtype=FLOAT8[0])
        self.weight = nn.Parameter(stored, requires_grad=False)
        self.register_buffer("scale", torch.ones((), device=device, dtype=SCALE_DTYPE))

    def forward(self, input: Tensor) -> Tensor:
        """Map (..., in) to (..., out) in the dtype of `input`."""
        dtype = input.dtype
        bias = None if self.bias is None else self.bias.to(dtype)
        return functional.linear(input, dequantise(self.weight, self.scale, dtype), bias)

    def refuse_cast(self, change: Callable[[Tensor], Tensor]) -> None:
        """Refuse what `Module._apply` is about to do if it would change the weight's dtype.

        Raises:
            ConfigError: it would.
        """
        dtype = change(torch.empty(0, dtype=self.weight.dtype)).dtype
        if dtype != self.weight.dtype:
            raise ConfigError(
                f"8-bit weights cannot be cast to {str(dtype).removeprefix('torch.')}, their scales would be lost: "
                "`kinora models convert` writes them as bfloat16"
            )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Float8Linear:
        self.refuse_cast(fn)
        return super()._apply(fn, recurse)


def read_scaled(tensors: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """Weights with ComfyUI's scales beside them (`.scale_weight`, `.weight_scale`) multiplied out; other keys stay.

    Args:
        tensors: of a file.
        dtype: of the products.

    Raises:
        WeightsError: a float8 weight has no scale.
    """
    marks = (".scale_weight", ".weight_scale", ".scale_input", ".input_scale", ".comfy_quant")
    plain = {
        key: tensor for key, tensor in tensors.items() if not key.endswith(marks) and key != "scaled_fp8"
    }
    scaled = "scaled_fp8" in tensors or any(key.endswith(marks) for key in tensors)
    for key, tensor in plain.items():
        if tensor.dtype not in FLOAT8:
            continue
        layer = key.removesuffix(".weight")
        scale = next((tensors[layer + mark] for mark in marks[:2] if layer + mark in tensors), None)
        if scale is None and scaled:
            raise WeightsError(f"{key} is float8 and has no scale: the file is incomplete")
        plain[key] = tensor.to(dtype) if scale is None else (tensor.float() * scale.float()).to(dtype)
    return plain


def use_float8(model: nn.Module, scales: Mapping[str, Tensor]) -> None:
    """Put a `Float8Linear` on the meta device in the place of every layer that has a scale."""
    for name in scales:
        parent, _, child = name.rpartition(".")
        layer = model.get_submodule(name)
        if not isinstance(layer, nn.Linear):
            raise WeightsError(f"a scale is given for {name}, which is no linear layer")
        with torch.device("meta"):
            stored = Float8Linear(layer.in_features, layer.out_features, layer.bias is not None)
        setattr(model.get_submodule(parent), child, stored)


def dequantise(weight: Tensor, scale: Tensor, dtype: torch.dtype = SCALE_DTYPE) -> Tensor:
    """The weight that a stored one stands for."""
    return weight.to(dtype) * scale.to(dtype)
