"""Judges the shape of an object by the best-correlated template over all rotations."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from shared.toybox.judges.segmentation import Array, Blob
from shared.toybox.shapes import OUTLINES
from shared.toybox.vocabulary import SHAPES

SYMMETRY = {"circle": 0, "ring": 0, "square": 4, "triangle": 3, "star": 5, "cross": 4}
"""Rotations that leave a shape as it is; 0: all."""

_GRID, _SPAN, _STEP = 24, 1.75, np.deg2rad(8.0)
"""Templates have 24x24 samples over +-1.75 radii of the disc of the same area, a rotation every 8 degrees."""


@dataclass(frozen=True)
class Outline:
    """The judged shape, its angle (radians) and radius (pixels) in each frame, and how well it fits."""

    shape: str
    angle: Array
    radius: Array
    fit: float


def judge_outline(blob: Blob) -> Outline:
    """Shape of an object, from the half of the frames in which it is largest; `fit` is a correlation."""
    names, angles, templates, sizes = _templates()
    samples = _normalised(_sample(blob))
    scores = samples @ templates.T
    used = blob.largest(max(len(blob.area) // 2, 1))
    fits = {name: float(np.mean(scores[used][:, names == name].max(axis=1))) for name in SHAPES}
    shape = max(fits, key=fits.__getitem__)
    of_shape = np.flatnonzero(names == shape)
    best = of_shape[scores[:, of_shape].argmax(axis=1)]
    return Outline(shape, angles[best], blob.radius / sizes[shape], fits[shape])


def _sample(blob: Blob) -> Array:
    """(F, 576) cover around the centroid, in units of the equal disc's radius."""
    frames, height, width = blob.cover.shape
    v, u = (_lattice()[:, :, i].ravel() for i in (0, 1))
    y = blob.y[:, None] + height / 2 - 0.5 + v * blob.radius[:, None]
    x = blob.x[:, None] + width / 2 - 0.5 + u * blob.radius[:, None]
    f = np.broadcast_to(np.arange(frames)[:, None], y.shape)
    return ndimage.map_coordinates(blob.cover, [f, y, x], order=1, mode="constant")


def _normalised(samples: Array) -> Array:
    centred = samples - samples.mean(axis=1, keepdims=True)
    return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)


def _lattice() -> Array:
    line = np.linspace(-_SPAN, _SPAN, _GRID)
    return np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1)


@cache
def _templates() -> tuple[NDArray[np.str_], Array, Array, dict[str, float]]:
    """Names, angles, normalised pictures (T, 576), and each shape's radius of the equal disc."""
    fine = np.linspace(-1.3, 1.3, 521)
    y, x = np.meshgrid(fine, fine, indexing="ij")
    cell = (fine[1] - fine[0]) ** 2
    sizes = {name: float(np.sqrt((OUTLINES[name](x, y) < 0).sum() * cell / np.pi)) for name in SHAPES}
    names, angles, pictures = [], [], []
    v, u = _lattice()[:, :, 0], _lattice()[:, :, 1]
    for name in SHAPES:
        turn = 2 * np.pi / SYMMETRY[name] if SYMMETRY[name] else _STEP / 2
        for angle in np.arange(0.0, turn, _STEP):
            cos, sin = np.cos(angle) * sizes[name], np.sin(angle) * sizes[name]
            inside = -OUTLINES[name](cos * u + sin * v, cos * v - sin * u)
            names.append(name)
            angles.append(angle)
            pictures.append(np.clip(inside * 5.0 + 0.5, 0, 1).ravel())
    return np.array(names), np.array(angles), _normalised(np.stack(pictures)), sizes
