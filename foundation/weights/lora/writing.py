"""LoRA files in each layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from foundation.weights.lora.metadata import KEY, PART, written
from foundation.weights.lora.pairs import Pair, pairs_to_official
from foundation.weights.lora.reading import LoraLayout
from shared.media.files import replacing


def write_lora(
    path: Path, pairs: Mapping[str, Pair], layout: LoraLayout, metadata: Mapping[str, str] | None = None
) -> None:
    """Write a LoRA; the file appears whole or not at all.

    Diffusers' layout has each alpha in the header, kohya's in a tensor. The official one has a tensor where alpha is
    not the rank, which is what programs without the word take it for.

    Args:
        path: the safetensors file.
        pairs: by layers of diffusers' layout.
        layout: of what is written.
        metadata: what else the header shall say.

    Raises:
        WeightsError: a layer that is not HunyuanVideo's.
        InputError: the file cannot be written.
        ResourceError: the disk is full.
    """
    kept = {name: value for name, value in (metadata or {}).items() if name not in (KEY, "format")}
    own = written(pairs) if layout == "diffusers" else {}
    with replacing(path) as temporary:
        temporary.write_bytes(save(_TENSORS[layout](pairs), {"format": "pt", **kept, **own}))


def _diffusers(pairs: Mapping[str, Pair]) -> dict[str, Tensor]:
    return _factors({f"{PART}{layer}": pair for layer, pair in pairs.items()}, "lora_A", "lora_B")


def _official(pairs: Mapping[str, Pair]) -> dict[str, Tensor]:
    named = {f"diffusion_model.{layer}": pair for layer, pair in pairs_to_official(pairs).items()}
    odd = {name: pair for name, pair in named.items() if pair.scale != 1}
    return _factors(named, "lora_A", "lora_B") | _alphas(odd)


def _kohya(pairs: Mapping[str, Pair]) -> dict[str, Tensor]:
    official = pairs_to_official(pairs)
    named = {f"lora_unet_{layer.replace('.', '_')}": pair for layer, pair in official.items()}
    return _factors(named, "lora_down", "lora_up") | _alphas(named)


_TENSORS: dict[LoraLayout, Callable[[Mapping[str, Pair]], dict[str, Tensor]]] = {
    "diffusers": _diffusers,
    "official": _official,
    "kohya": _kohya,
}


def _factors(pairs: Mapping[str, Pair], down: str, up: str) -> dict[str, Tensor]:
    """Each with memory of its own, as the format wants it: parts of a fused layer share their down factor."""
    factors = {}
    for name, pair in pairs.items():
        for kind, factor in ((down, pair.down), (up, pair.up)):
            own = factor.detach().cpu()
            factors[f"{name}.{kind}.weight"] = own.clone(memory_format=torch.contiguous_format)
    return factors


def _alphas(pairs: Mapping[str, Pair]) -> dict[str, Tensor]:
    return {f"{name}.alpha": torch.tensor(pair.alpha) for name, pair in pairs.items()}
