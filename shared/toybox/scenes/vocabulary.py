"""The words of the toybox's scenes, and the colours that they mean."""

import math
from itertools import product

Rgb = tuple[int, int, int]

MIN_DISTANCE = 60.0
"""Smallest Euclidean RGB distance (0..255 per channel) at which two areas count as different colours."""

COLORS: dict[str, Rgb] = {
    "red": (220, 40, 40),
    "green": (60, 190, 75),
    "blue": (50, 90, 230),
    "yellow": (240, 220, 60),
    "purple": (150, 60, 190),
    "orange": (245, 140, 30),
    "white": (250, 250, 250),
    "cyan": (50, 205, 225),
}

BACKGROUNDS: dict[str, Rgb] = {
    "black": (16, 16, 16),
    "gray": (128, 128, 128),
    "forest green": (24, 88, 40),
    "navy": (20, 30, 96),
    "brown": (110, 66, 30),
    "sand": (214, 184, 134),
}


def distance(first: Rgb, second: Rgb) -> float:
    """Euclidean distance of two RGB values in 0..255, 0 (same) to 441.7 (black and white)."""
    return math.dist(first, second)


SHAPES = ("circle", "square", "triangle", "star", "ring", "cross")
MOTIONS = ("left", "right", "up", "down", "bounce", "spin", "grow", "shrink", "orbit")
CAMERAS = ("static", "pan left", "pan right", "pan up", "pan down", "zoom in", "zoom out")
TEXTURES = ("checkered", "spotted", "cloudy")
MATERIALS = ("wood", "metal", "rubber", "glass", "stone")

ROUND = frozenset({"circle", "ring"})
"""Shapes on which a spin cannot be seen."""


def is_decidable(shape: str, motion: str) -> bool:
    """Whether the motion of this shape can be seen in pixels."""
    return not (motion == "spin" and shape in ROUND)


def _held_out() -> frozenset[tuple[str, str, str]]:
    """One triple in seven, on a lattice that gives every pair of words its share."""
    indexed = product(enumerate(COLORS), enumerate(SHAPES), enumerate(MOTIONS))
    return frozenset(
        (color, shape, motion)
        for (i, color), (j, shape), (k, motion) in indexed
        if (3 * i + 5 * j + k) % 7 == 0 and is_decidable(shape, motion)
    )


HELD_OUT = _held_out()
"""The (colour, shape, motion) triples that training never sees: about 14%."""


def is_held_out(color: str, shape: str, motion: str) -> bool:
    """Whether training never sees this combination."""
    return (color, shape, motion) in HELD_OUT
