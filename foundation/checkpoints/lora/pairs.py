"""Low-rank updates between the official layout and diffusers', by the map of full weights.

The parts of a fused layer share its down factor and split the rows of its up factor. The other way round, parts
with one down factor keep its rank; others stand side by side: the fused layer's rank is the sum of theirs, and its
up factor is block-diagonal. What was stacked so comes apart again at the ranks that it had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from foundation.checkpoints.layout import (
    SWAPPED,
    diffusers_names,
    official_name,
    split_rows,
    swap_halves,
)
from shared.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

MLP_RATIO = 4.0
"""Rows of a feed-forward without an adapter, beside others that have one, over the model's width."""


@dataclass(frozen=True)
class Pair:
    """The two factors of one layer's update, alpha / rank * up @ down.

    Attributes:
        down: (rank, in), for a convolution (rank, in, t, h, w).
        up: (out, rank), for a convolution (out, rank, 1, 1, 1).
        alpha: the scale before it is divided by the rank.
    """

    down: Tensor
    up: Tensor
    alpha: float

    @property
    def rank(self) -> int:
        """The number of rows of the down factor."""
        return len(self.down)

    @property
    def scale(self) -> float:
        """What the product is multiplied by."""
        return self.alpha / self.rank

    def keep(self, used: Tensor) -> Pair:
        """The same update by fewer ranks: those where `used` (rank,) is true."""
        if used.all():
            return self
        return Pair(self.down[used], self.up[:, used], self.scale * int(used.sum()))


def pairs_to_diffusers(pairs: Mapping[str, Pair]) -> dict[str, Pair]:
    """Layer -> pair in diffusers' layout.

    Raises:
        WeightsError: a layer that the official layout does not have, or one whose rows do not part.
    """
    converted: dict[str, Pair] = {}
    for layer, pair in pairs.items():
        names = diffusers_names(layer)
        if layer == SWAPPED:
            converted[names[0]] = _swap(pair)
        elif len(names) == 1:
            converted[names[0]] = pair
        else:
            converted |= _split(pair, layer, names)
    return converted


def pairs_to_official(pairs: Mapping[str, Pair]) -> dict[str, Pair]:
    """Layer -> pair in the official layout; a part of a fused layer without an adapter gets zero rows.

    Raises:
        WeightsError: a layer that diffusers' layout does not have, or one whose rows do not join.
    """
    fused: dict[str, dict[int, Pair]] = {}
    for name, pair in pairs.items():
        layer, place = official_name(name)
        fused.setdefault(layer, {})[place] = pair
    converted: dict[str, Pair] = {}
    for layer, parts in fused.items():
        names = diffusers_names(layer)
        if layer == SWAPPED:
            converted[layer] = _swap(parts[0])
        elif len(names) == 1:
            converted[layer] = parts[0]
        else:
            converted[layer] = _fuse(parts, names)
    return converted


def _swap(pair: Pair) -> Pair:
    return Pair(pair.down, torch.cat(swap_halves(pair.up)), pair.alpha)


def _split(pair: Pair, layer: str, names: Sequence[str]) -> dict[str, Pair]:
    """The parts of a fused layer that have an update, each by the ranks that move it."""
    width = pair.down.shape[1]  # every fused layer reads the model's own width
    ups = split_rows(pair.up, len(names), width)
    if len(ups[-1]) != width and not (_is_mlp(names[-1]) and len(ups[-1])):
        raise WeightsError(
            f"{layer} has {len(pair.up)} rows in its up factor, which do not part for a model {width} wide"
        )
    used = {name: up.any(dim=0) for name, up in zip(names, ups, strict=True)}
    parts = {name: Pair(pair.down, up, pair.alpha) for name, up in zip(names, ups, strict=True)}
    if not any(ranks.any() for ranks in used.values()):
        return parts
    return {name: part.keep(used[name]) for name, part in parts.items() if used[name].any()}


def _fuse(parts: Mapping[int, Pair], names: Sequence[str]) -> Pair:
    first = next(iter(parts.values()))
    width = first.down.shape[1]
    for place, part in parts.items():
        if len(part.up) != width and not _is_mlp(names[place]):
            raise WeightsError(
                f"{names[place]} has {len(part.up)} rows in its up factor, and {width} columns"
            )
    if all(torch.equal(part.down, first.down) and part.scale == first.scale for part in parts.values()):
        return Pair(first.down, torch.cat(_ups(parts, names, width, first.rank)), first.alpha)
    if any(part.scale != first.scale for part in parts.values()):
        parts = {place: _at_scale_one(part) for place, part in parts.items()}
    down = torch.cat([parts[place].down for place in sorted(parts)])
    scale = next(iter(parts.values())).scale
    return Pair(down, torch.block_diag(*_ups(parts, names, width, 0)), scale * len(down))


def _ups(parts: Mapping[int, Pair], names: Sequence[str], width: int, rank: int) -> list[Tensor]:
    """The up factors of all parts, with zeros of a rank for those that have no adapter."""
    some = next(iter(parts.values())).up
    rows = [int(width * MLP_RATIO) if _is_mlp(name) else width for name in names]
    return [
        parts[place].up if place in parts else some.new_zeros(count, rank) for place, count in enumerate(rows)
    ]


def _at_scale_one(pair: Pair) -> Pair:
    """The same update with alpha = rank; in float32, so that nothing is lost."""
    return Pair(pair.down, pair.up.float() * pair.scale, float(pair.rank))


def _is_mlp(name: str) -> bool:
    return name.endswith("proj_mlp")
