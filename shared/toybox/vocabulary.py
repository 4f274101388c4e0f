"""The words of the toybox's scenes and what each of them looks like.

Every colour is at least 60 (Euclidean, RGB) away from every other colour and from every background, so that
no combination of words is undecidable in pixels.
"""

from itertools import product
from types import MappingProxyType

COLORS = MappingProxyType(
    {
        "red": (222, 38, 42),
        "green": (60, 200, 70),
        "blue": (50, 95, 240),
        "yellow": (248, 226, 48),
        "purple": (160, 55, 200),
        "orange": (250, 140, 28),
        "white": (246, 246, 246),
        "cyan": (62, 222, 232),
    }
)
BACKGROUNDS = MappingProxyType(
    {
        "black": (14, 14, 14),
        "gray": (128, 128, 128),
        "forest green": (20, 78, 36),
        "navy": (18, 24, 88),
        "brown": (100, 60, 30),
        "sand": (206, 180, 130),
    }
)
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
