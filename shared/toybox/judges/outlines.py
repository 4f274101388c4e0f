"""Judges the shape of an object by the best-correlated template over all rotations."""

from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from shared.toybox.judges.segmentation import Array, Blob
from shared.toybox.scenes.shapes import OUTLINES, SURFACES, glass_opacity
from shared.toybox.scenes.vocabulary import SHAPES

SYMMETRY = {"circle": 0, "ring": 0, "square": 4, "triangle": 3, "star": 5, "cross": 4}
"""Rotations that leave a shape as it is; 0: all."""

_GRID, _SPAN, _STEP = 24, 1.75, np.deg2rad(8.0)
"""Templates have 24x24 samples over +-1.75 radii of the disc of the same area, a rotation every 8 degrees."""


_SCALES = (0.93, 1.0, 1.08)
"""Radii that are tried: a dark pattern on black looks like less of an object."""

_SOFTNESS = (0.04, 0.12, 0.2, 0.28)
"""Blurs of the templates, in the same unit."""


def _solid(inside: Array, sharpness: float) -> Array:
    return np.clip(inside * sharpness + 0.5, 0, 1)


def _glass(inside: Array, sharpness: float) -> Array:
    return _solid(inside, sharpness) * glass_opacity(inside)


def _dark_rimmed(inside: Array, sharpness: float) -> Array:
    return _solid(inside, sharpness) * SURFACES["rubber"](inside, inside, inside, 0.0)


_LOOKS = (_solid, _glass, _dark_rimmed)
"""Cover by depth inside the outline: glass, and on black a dark rim, change what is seen of a shape."""


@dataclass(frozen=True)
class Outline:
    """The judged shape and how well it fits (a correlation).

    Attributes:
        shape: word of `SHAPES`.
        angle: (F,) in radians.
        radius: (F,) in pixels, the 1 of `shapes`.
        softness: (F,) standard deviation of the blur, in pixels.
        fit: mean correlation with its templates.
    """

    shape: str
    angle: Array
    radius: Array
    softness: Array
    fit: float


def judge_outline(blob: Blob, cover: Array) -> Outline:
    """Shape of an object, from the half of the frames in which it is largest.

    Args:
        blob: where the object is.
        cover: (F, H, W) how much of each pixel it takes.
    """
    used = blob.largest(max(len(blob.area) // 2, 1))
    kit = _templates()
    area = cover.sum(axis=(1, 2))
    radii = np.sqrt(np.where(area > 0, area, blob.area) / np.pi)[:, None] * np.asarray(_SCALES)
    scores = np.stack([_normalised(_sample(cover, blob, radius)) @ kit.pictures.T for radius in radii.T])
    fits = {name: float(scores[:, used][..., kit.names == name].max(axis=(0, 2)).mean()) for name in SHAPES}
    shape = max(fits, key=fits.__getitem__)
    of_shape = np.flatnonzero(kit.names == shape)
    flat = scores[..., of_shape].transpose(1, 0, 2).reshape(len(cover), -1).argmax(axis=1)
    scale, best = flat // len(of_shape), of_shape[flat % len(of_shape)]
    radius = radii[np.arange(len(cover)), scale]
    return Outline(
        shape, kit.angles[best], radius / kit.sizes[best], kit.softness[best] * radius, fits[shape]
    )


def _sample(cover: Array, blob: Blob, radius: Array) -> Array:
    """(F, 576) cover around the centroid, in units of the equal disc's radius."""
    frames, height, width = cover.shape
    v, u = (_lattice()[:, :, i].ravel() for i in (0, 1))
    y = blob.y[:, None] + height / 2 - 0.5 + v * radius[:, None]
    x = blob.x[:, None] + width / 2 - 0.5 + u * radius[:, None]
    f = np.broadcast_to(np.arange(frames)[:, None], y.shape)
    return ndimage.map_coordinates(cover, [f, y, x], order=1, mode="constant")


def _normalised(samples: Array) -> Array:
    centred = samples - samples.mean(axis=1, keepdims=True)
    return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)


def _lattice() -> Array:
    line = np.linspace(-_SPAN, _SPAN, _GRID)
    return np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1)


@dataclass(frozen=True)
class _Templates:
    """Each template's shape, angle, blur, radius of the disc of equal cover, and normalised picture (T, 576)."""

    names: NDArray[np.str_]
    angles: Array
    softness: Array
    sizes: Array
    pictures: Array


@cache
def _templates() -> _Templates:
    fine = np.linspace(-1.3, 1.3, 261, dtype=np.float32)
    y, x = np.meshgrid(fine, fine, indexing="ij")
    step = 2 * _SPAN / (_GRID - 1)
    rows = []
    for name, look in product(SHAPES, _LOOKS):
        whole = look(-OUTLINES[name](x, y), 200.0).sum() * float(fine[1] - fine[0]) ** 2
        size = float(np.sqrt(whole / np.pi))
        v, u = (_lattice()[:, :, i] * size for i in (0, 1))
        turn = 2 * np.pi / SYMMETRY[name] if SYMMETRY[name] else _STEP / 2
        for angle in np.arange(0.0, turn, _STEP):
            cos, sin = np.cos(angle), np.sin(angle)
            picture = look(-OUTLINES[name](cos * u + sin * v, cos * v - sin * u), 1 / (step * size))
            for blur in _SOFTNESS:
                rows.append((name, angle, blur, size, ndimage.gaussian_filter(picture, blur / step).ravel()))
    names, angles, softness, sizes, pictures = (np.array(column) for column in zip(*rows, strict=True))
    return _Templates(names, angles, softness, sizes, _normalised(pictures))
