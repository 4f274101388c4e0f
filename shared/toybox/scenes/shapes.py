"""Shapes, surfaces and backdrops of the toybox as functions of the plane, antialiased at any size."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

REACH = {"circle": 1.0, "ring": 1.0, "square": 1.24, "triangle": 1.2, "star": 1.2, "cross": 1.12}
"""How far a shape of radius 1 reaches from its centre, at any angle."""

DARK = 0.6
"""Tone of the darkest part of a material: dark enough to show, bright enough to tell from any background."""

GLASS_OPACITY = 0.4


def _circle(x: Array, y: Array) -> Array:
    return np.sqrt(x * x + y * y) - 1.0


def _ring(x: Array, y: Array) -> Array:
    return np.abs(np.sqrt(x * x + y * y) - 0.73) - 0.27


def _square(x: Array, y: Array) -> Array:
    return np.maximum(np.abs(x), np.abs(y)) - 0.87


def _triangle(x: Array, y: Array) -> Array:
    return np.maximum(np.abs(x) * 0.8660254 - y * 0.5, y) - 0.6


def _star(x: Array, y: Array) -> Array:
    """Five points of radius 1.2 with inner corners at 0.52, the first one upwards."""
    tip, notch, sector = 1.2, 0.52, np.float32(2 * np.pi / 5)
    angle = np.arctan2(x, -y)
    angle -= sector * np.round(angle / sector)
    radius = np.sqrt(x * x + y * y)
    along, across = radius * np.cos(angle), radius * np.abs(np.sin(angle))
    edge_along, edge_across = notch * np.cos(sector / 2) - tip, notch * np.sin(sector / 2)
    return ((along - tip) * edge_across - across * edge_along) / np.hypot(edge_along, edge_across)


def _cross(x: Array, y: Array) -> Array:
    x, y = np.abs(x), np.abs(y)
    return np.maximum(np.maximum(x, y) - 1.05, np.minimum(x, y) - 0.36)


OUTLINES: dict[str, Callable[[Array, Array], Array]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "ring": _ring,
    "cross": _cross,
}
"""Signed distance (negative inside) of each shape of radius 1; x grows rightwards, y downwards."""


def _wood(x: Array, y: Array, inside: Array, grain: float) -> Array:
    wave = np.sin(2 * np.pi * (1.7 * y + 0.1 * np.sin(2.5 * x + grain)) + grain)
    return DARK + (1.0 - DARK) * np.clip(0.5 + 1.2 * wave, 0, 1)


def _metal(x: Array, y: Array, inside: Array, grain: float) -> Array:
    return 1.0 - (1.0 - DARK) * np.clip(np.abs(x + y) * 1.1, 0, 1)


def _rubber(x: Array, y: Array, inside: Array, grain: float) -> Array:
    return DARK + (1.0 - DARK) * np.clip(6.0 * (inside - 0.15), 0, 1)


def _stone(x: Array, y: Array, inside: Array, grain: float) -> Array:
    dots = np.sin(3.6 * (x + y) + grain) * np.sin(3.6 * (x - y))
    return 1.0 - (1.0 - DARK) * np.clip(3.0 * np.abs(dots) - 1.0, 0, 1)


def _glass(x: Array, y: Array, inside: Array, grain: float) -> Array:
    return np.ones_like(x)


SURFACES: dict[str, Callable[[Array, Array, Array, float], Array]] = {
    "wood": _wood,
    "metal": _metal,
    "rubber": _rubber,
    "glass": _glass,
    "stone": _stone,
}
"""Tone (a factor on the colour) of each material at a point: x, y and depth inside in units of the radius.

Wood has stripes, metal a sheen across, rubber a dark rim, stone dots; glass lets the background through."""


def glass_opacity(inside: Array) -> Array:
    """Opacity of glass at a depth inside the outline (units of the radius): a full rim, a clear middle."""
    return 1.0 - (1.0 - GLASS_OPACITY) * np.clip(6.0 * (inside - 0.16), 0, 1)


def _checkered(x: Array, y: Array, rng: np.random.Generator) -> Array:
    shift = rng.uniform(0, 2 * np.pi, 2).astype(np.float32)
    return np.clip(2.5 * np.sin(9.0 * x + shift[0]) * np.sin(9.0 * y + shift[1]), -1, 1)


def _spotted(x: Array, y: Array, rng: np.random.Generator) -> Array:
    """One spot in each cell of a grid, at a place and of a size that are the cell's own."""
    cell = 0.42
    table = rng.uniform(0, 1, (3, 16, 16)).astype(np.float32)
    column, row = np.floor(x / cell), np.floor(y / cell)
    i, j = row.astype(np.int32) % 16, column.astype(np.int32) % 16
    radius = 0.09 + 0.07 * table[2][i, j]
    dx = x - (column + 0.38 + 0.24 * table[0][i, j]) * cell
    dy = y - (row + 0.38 + 0.24 * table[1][i, j]) * cell
    return np.clip(14.0 * (radius - np.sqrt(dx * dx + dy * dy)), -0.5, 0.5) * 2.0


def _cloudy(x: Array, y: Array, rng: np.random.Generator) -> Array:
    total = np.zeros_like(x)
    for _ in range(5):
        angle, phase, pitch = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi), rng.uniform(6.0, 12.0)
        total += np.sin(np.float32(pitch * np.cos(angle)) * x + np.float32(pitch * np.sin(angle)) * y + phase)
    return np.clip(total * 0.55, -1, 1)


BACKDROPS: dict[str, Callable[[Array, Array, np.random.Generator], Array]] = {
    "checkered": _checkered,
    "spotted": _spotted,
    "cloudy": _cloudy,
}
"""Brightness in [-1, 1] of each background texture at points of the world (1 is half the shorter side)."""
