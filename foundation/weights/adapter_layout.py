"""LoRA weights between the layouts, by the map of full weights (`foundation.weights.layout`).

A pair is `LAYER.lora_A.weight` (rank, in) and `LAYER.lora_B.weight` (out, rank), with an optional `LAYER.alpha`;
its update of the weight is alpha / rank * B @ A (alpha = rank where none is given).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from foundation.weights.layout import SWAPPED, diffusers_names, official_name, split_rows, swap_halves
from shared.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

DOWN, UP, ALPHA = "lora_A.weight", "lora_B.weight", "alpha"


@dataclass(frozen=True)
class Pair:
    """The two factors of one layer's update."""

    down: Tensor
    up: Tensor
    alpha: Tensor | None

    @property
    def scale(self) -> float:
        """What the product is multiplied by."""
        return 1.0 if self.alpha is None else float(self.alpha) / len(self.down)

    def tensors(self, layer: str) -> dict[str, Tensor]:
        """Under their keys."""
        found = {f"{layer}.{DOWN}": self.down, f"{layer}.{UP}": self.up}
        return found if self.alpha is None else {**found, f"{layer}.{ALPHA}": self.alpha}


def read_pairs(tensors: Mapping[str, Tensor]) -> dict[str, Pair]:
    """Layer -> its pair.

    Raises:
        WeightsError: a key of another kind, or half a pair.
    """
    layers: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        kind = next((kind for kind in (DOWN, UP, ALPHA) if key.endswith(f".{kind}")), None)
        if kind is None:
            raise WeightsError(f"{key} is no LoRA tensor: .{DOWN}, .{UP} or .{ALPHA} is expected at its end")
        layers.setdefault(key.removesuffix(f".{kind}"), {})[kind] = tensor
    for layer, found in layers.items():
        for kind in (DOWN, UP):
            if kind not in found:
                raise WeightsError(f"{layer}.{kind} is missing: a LoRA layer has two factors")
    return {layer: Pair(found[DOWN], found[UP], found.get(ALPHA)) for layer, found in layers.items()}


def adapter_to_diffusers(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """An official LoRA as diffusers': parts of a fused layer share its down factor and split its up factor.

    Raises:
        WeightsError: a layer that the official layout does not have, or an incomplete pair.
    """
    converted: dict[str, Tensor] = {}
    for layer, pair in read_pairs(tensors).items():
        names = diffusers_names(layer)
        width = pair.down.shape[1]  # every fused layer reads the model's own width
        for name, up in zip(names, split_rows(pair.up, len(names), width), strict=True):
            own = torch.cat(swap_halves(up)) if layer == SWAPPED else up
            converted |= Pair(pair.down, own, pair.alpha).tensors(name)
    return converted


def adapter_to_official(tensors: Mapping[str, Tensor], mlp_ratio: float = 4.0) -> dict[str, Tensor]:
    """Diffusers' LoRA as an official one: the fused layer's update is exactly that of its parts.

    Parts with the same down factor keep its rank; others take a rank of their own each. A part without an
    adapter gets zero rows.

    Args:
        tensors: the LoRA.
        mlp_ratio: of the model, for the rows of a `proj_mlp` without an adapter.

    Raises:
        WeightsError: a layer that diffusers' layout does not have, or an incomplete pair.
    """
    fused: dict[str, dict[int, Pair]] = {}
    for layer, pair in read_pairs(tensors).items():
        official, place = official_name(layer)
        fused.setdefault(official, {})[place] = pair
    converted: dict[str, Tensor] = {}
    for layer, pairs in fused.items():
        if layer == SWAPPED:
            pair = Pair(pairs[0].down, torch.cat(swap_halves(pairs[0].up)), pairs[0].alpha)
        elif len(diffusers_names(layer)) == 1:
            pair = pairs[0]
        else:
            pair = _fuse(pairs, diffusers_names(layer), mlp_ratio)
        converted |= pair.tensors(layer)
    return converted


def _fuse(pairs: Mapping[int, Pair], names: tuple[str, ...], mlp_ratio: float) -> Pair:
    first = next(iter(pairs.values()))
    width = first.down.shape[1]
    rows = [int(width * mlp_ratio) if name.endswith("proj_mlp") else width for name in names]
    same = all(torch.equal(pair.down, first.down) and pair.scale == first.scale for pair in pairs.values())
    if same:
        rank = len(first.down)
        ups = [
            pairs[place].up if place in pairs else first.up.new_zeros(count, rank)
            for place, count in enumerate(rows)
        ]
        return Pair(first.down, torch.cat(ups), first.alpha)
    downs = [pairs[place].down for place in sorted(pairs)]
    ups = [
        pairs[place].up * pairs[place].scale if place in pairs else first.up.new_zeros(count, 0)
        for place, count in enumerate(rows)
    ]
    return Pair(torch.cat(downs), torch.block_diag(*ups), None)
