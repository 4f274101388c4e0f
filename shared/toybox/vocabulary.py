"""The words of the toybox's scenes beside the colours of `palette`, and which combinations are held out."""

from itertools import product

from shared.toybox.palette import COLORS

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
