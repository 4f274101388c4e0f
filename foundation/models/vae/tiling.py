"""Tiles in space and time with linear blending (paper section 4.1, inference).

The order of the blends (vertical, horizontal, time; each against the neighbour as already blended) and the
choice of tiles are those of the released systems, so that tiled results agree with theirs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from shared.errors import ConfigError

Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Tiling:
    """Tile sizes in pixels and frames; the defaults are those that the released weights were trained with.

    diffusers' temporal rule is `Tiling(frames=16, frame_stride=12)`.
    """

    pixels: int = 256
    pixel_stride: int = 192
    frames: int = 64
    frame_stride: int = 48

    def __post_init__(self) -> None:
        for name, tile, stride in (
            ("pixels", self.pixels, self.pixel_stride),
            ("frames", self.frames, self.frame_stride),
        ):
            if not 0 < stride <= tile:
                raise ConfigError(
                    f"a stride of {stride} {name} does not fit tiles of {tile}: 1 to {tile} expected"
                )

    def encode(self, function: Function, frames: Tensor, time_ratio: int, space_ratio: int) -> Tensor:
        """Apply `function` (frames -> moments) tile by tile."""
        self._check(time_ratio, space_ratio)
        space = Axis(self.pixels, self.pixel_stride, Fraction(1, space_ratio))
        time = Axis(self.frames, self.frame_stride, Fraction(1, time_ratio))
        return tile_time(lambda clip: tile_space(function, clip, space), frames, time)

    def decode(self, function: Function, latents: Tensor, time_ratio: int, space_ratio: int) -> Tensor:
        """Apply `function` (latents -> frames) tile by tile."""
        self._check(time_ratio, space_ratio)
        space = Axis(self.pixels // space_ratio, self.pixel_stride // space_ratio, Fraction(space_ratio))
        time = Axis(self.frames // time_ratio, self.frame_stride // time_ratio, Fraction(time_ratio))
        return tile_time(lambda clip: tile_space(function, clip, space), latents, time)

    def _check(self, time_ratio: int, space_ratio: int) -> None:
        for name, ratio, sizes in (
            ("pixels", space_ratio, (self.pixels, self.pixel_stride)),
            ("frames", time_ratio, (self.frames, self.frame_stride)),
        ):
            if any(size % ratio for size in sizes):
                raise ConfigError(
                    f"tiles of {sizes[0]} {name} with stride {sizes[1]} do not fit: multiples of {ratio} expected"
                )


@dataclass(frozen=True)
class Axis:
    """Tile and stride in input units, and how many output units one input unit makes."""

    tile: int
    stride: int
    ratio: Fraction

    def out(self, length: int) -> int:
        """Output units of `length` input units."""
        return int(length * self.ratio)

    @property
    def blend(self) -> int:
        """Output units in which neighbours overlap."""
        return self.out(self.tile - self.stride)


def tile_time(function: Function, tensor: Tensor, axis: Axis) -> Tensor:
    """Tiles along time; each carries one extra frame in front, whose output later tiles drop (causality)."""
    length = tensor.shape[2]
    if length <= axis.tile:
        return function(tensor)
    pieces: list[Tensor] = []
    previous: Tensor | None = None
    for start in range(0, length - 1, axis.stride):
        output = function(tensor[:, :, start : start + axis.tile + 1])
        if previous is None:
            pieces.append(output[:, :, : axis.out(axis.stride) + 1])
        else:
            output = fade(previous, output[:, :, 1:], 2, axis.blend)
            pieces.append(output[:, :, : axis.out(axis.stride)])
        previous = output
    return torch.cat(pieces, dim=2)[:, :, : axis.out(length - 1) + 1]


def tile_space(function: Function, tensor: Tensor, axis: Axis) -> Tensor:
    """Square tiles in rows and columns, used when one side is longer than a tile."""
    height, width = tensor.shape[3:]
    if max(height, width) <= axis.tile:
        return function(tensor)
    stride = axis.out(axis.stride)
    above: list[Tensor] = []
    result: list[Tensor] = []
    for top in range(0, height, axis.stride):
        row: list[Tensor] = []
        for j, left in enumerate(range(0, width, axis.stride)):
            tile = function(tensor[..., top : top + axis.tile, left : left + axis.tile])
            if above:
                tile = fade(above[j], tile, 3, axis.blend)
            if row:
                tile = fade(row[-1], tile, 4, axis.blend)
            row.append(tile)
        result.append(torch.cat([tile[..., :stride, :stride] for tile in row], dim=4))
        above = row
    return torch.cat(result, dim=3)[..., : axis.out(height), : axis.out(width)]


def fade(before: Tensor, after: Tensor, dim: int, extent: int) -> Tensor:
    """`after`, whose first `extent` positions fade in over the last `extent` positions of `before`."""
    extent = min(extent, before.shape[dim], after.shape[dim])
    shape = [1] * after.ndim
    shape[dim] = extent
    ramp = (torch.arange(extent, device=after.device, dtype=after.dtype) / max(extent, 1)).view(shape)
    old = before.narrow(dim, before.shape[dim] - extent, extent)
    new = after.narrow(dim, 0, extent)
    rest = after.narrow(dim, extent, after.shape[dim] - extent)
    return torch.cat([old * (1 - ramp) + new * ramp, rest], dim=dim)
