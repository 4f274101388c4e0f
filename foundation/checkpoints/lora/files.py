"""LoRA files of every layout: keys read as layers and factors, and written in diffusers' layout."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import save
from torch import Tensor

from foundation.checkpoints.layout import dotted, layout_of
from foundation.checkpoints.lora.metadata import KEY, PART, AlphaRule, written
from foundation.checkpoints.lora.pairs import Pair, pairs_to_diffusers, pairs_to_official
from foundation.checkpoints.lora.source import read_header
from foundation.checkpoints.recognition import describe
from foundation.checkpoints.tensors import read_tensors
from shared.config import shorten
from shared.errors import WeightsError
from shared.media.files import replacing

LoraLayout = Literal["diffusers", "official", "kohya"]

DTYPES = (torch.float32, torch.bfloat16, torch.float16)

_PREFIX = re.compile(r"(?:(?:module|base_model|model|diffusion_model|transformer)\.)*")
_KOHYA_PREFIXES = ("lora_unet_", "lora_transformer_")

_KEY = re.compile(
    r"(?P<layer>.+?)\.(?:"
    r"(?:(?P<down>lora_A|lora_down|lora\.down)|(?P<up>lora_B|lora_up|lora\.up))(?:\.\w+)?\.weight"
    r"|(?P<alpha>alpha))"
)
_BIAS = re.compile(r"(?P<layer>.+?)\.(?:(?:lora_B|lora_up|lora\.up)(?:\.\w+)?\.bias|diff_b|diff)")
_OTHER_KINDS = {
    "lokr_": "a LoKr adapter",
    "hada_": "a LoHa adapter",
    "dora_scale": "a DoRA, which also rescales the weights",
    "lora_magnitude_vector": "a DoRA, which also rescales the weights",
}
"""Part of a key -> the kind of adapter that has it and would be something else without it."""


@dataclass(frozen=True)
class LoraFile:
    """A LoRA as a file has it.

    Attributes:
        path: the file.
        layout: of its keys.
        pairs: its updates, by layers of diffusers' layout.
        keys: the file's keys that each of these layers comes from.
        unknown: keys that belong to no layer of HunyuanVideo's transformer.
        metadata: what else its header says.
    """

    path: Path
    layout: LoraLayout
    pairs: dict[str, Pair]
    keys: dict[str, tuple[str, ...]]
    unknown: tuple[str, ...]
    metadata: dict[str, str]


def read_lora(path: Path) -> LoraFile:
    """Read a LoRA file of any of the three layouts.

    Raises:
        WeightsError: the file is missing, damaged or incomplete, or holds no LoRA of HunyuanVideo's transformer.
    """
    _, metadata = read_header(path)
    tensors = read_tensors(path)
    for part, kind in _OTHER_KINDS.items():
        if any(part in key for key in tensors):
            raise WeightsError(f"{path} is {kind}: only LoRAs are read")
    try:
        return _read(path, tensors, metadata)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error


def _read(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> LoraFile:
    named, unknown = _by_layer(tensors)
    _refuse_biases(unknown)
    if not named:
        raise WeightsError(f"holds {describe(tensors)}; a LoRA for HunyuanVideo is needed")
    alpha = AlphaRule.read(metadata)
    layouts: list[LoraLayout] = []
    pairs: dict[str, Pair] = {}
    keys: dict[str, tuple[str, ...]] = {}
    for name, own in named.items():
        place = locate(name)
        if place is None:
            unknown += own.values()
            continue
        layout, layer = place
        layouts.append(layout)
        found = {layer: _pair(name, own, tensors, alpha, layer)}
        found = pairs_to_diffusers(found) if layout_of(layer) == "official" else found
        for twice in found.keys() & pairs.keys():
            raise WeightsError(f"{name} and {keys[twice][0]} are about the same layer")
        pairs |= found
        keys |= dict.fromkeys(found, tuple(own.values()))
    if not pairs:
        raise WeightsError(
            f"no layer of HunyuanVideo's transformer is named in it; its layers are like {shorten(next(iter(named)))}"
        )
    return LoraFile(path, max(layouts, key=layouts.count), pairs, keys, tuple(unknown), metadata)


def locate(name: str) -> tuple[LoraLayout, str] | None:
    """The layout and the layer that a LoRA's name for a layer means; None: there is no such layer."""
    name = _PREFIX.sub("", name, count=1)
    layout = layout_of(name)
    if layout is not None:
        return layout, name
    for prefix in _KOHYA_PREFIXES:
        layer = dotted(name.removeprefix(prefix)) if name.startswith(prefix) else None
        if layer is not None:
            return "kohya", layer
    return None


def _by_layer(keys: Iterable[str]) -> tuple[dict[str, dict[str, str]], list[str]]:
    """The file's names of layers, each with its keys by kind (`down`, `up`, `alpha`); and all other keys."""
    named: dict[str, dict[str, str]] = {}
    others = []
    for key in keys:
        match = _KEY.fullmatch(key)
        if match is None:
            others.append(key)
        else:
            kind = next(kind for kind in ("down", "up", "alpha") if match[kind])
            own = named.setdefault(match["layer"], {})
            if kind in own:
                raise WeightsError(f"{own[kind]} and {key} are the same factor of two adapters: one is read")
            own[kind] = key
    for layer in [layer for layer, own in named.items() if own.keys() == {"alpha"}]:
        others += named.pop(layer).values()
    return named, others


def _refuse_biases(keys: Iterable[str]) -> None:
    for key in keys:
        match = _BIAS.fullmatch(key)
        if match is not None and locate(match["layer"]) is not None:
            raise WeightsError(f"{key} changes a bias or a whole weight: only low-rank factors are read")


def _pair(
    name: str, own: Mapping[str, str], tensors: Mapping[str, Tensor], rule: AlphaRule, layer: str
) -> Pair:
    for kind, words in (("down", "lora_A or lora_down"), ("up", "lora_B or lora_up")):
        if kind not in own:
            raise WeightsError(f"{name} has no {words}: a LoRA's layer has two factors")
    down, up = tensors[own["down"]], tensors[own["up"]]
    if down.dtype not in DTYPES or up.dtype not in DTYPES:
        raise WeightsError(f"{name} holds {down.dtype} and {up.dtype}; floating numbers are needed")
    for key in (own["down"], own["up"]):
        if not torch.isfinite(tensors[key]).all():
            raise WeightsError(f"{key} holds NaN or infinity; finite numbers are needed")
    if down.ndim < 2 or up.ndim != down.ndim or not 0 < len(down) == up.shape[1]:
        raise WeightsError(
            f"{name} has factors of shapes {tuple(down.shape)} and {tuple(up.shape)}, which make no product"
        )
    return Pair(down, up, _alpha(name, tensors[own["alpha"]]) if "alpha" in own else rule(layer, len(down)))


def _alpha(name: str, tensor: Tensor) -> float:
    if tensor.numel() != 1 or tensor.is_complex() or not torch.isfinite(tensor).all():
        raise WeightsError(
            f"{name} has an alpha of shape {tuple(tensor.shape)} and {tensor.dtype}; one finite number is needed"
        )
    return float(tensor)


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
