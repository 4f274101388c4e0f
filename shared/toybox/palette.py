"""The toybox's colour words and what they look like.

Scenes and puppets draw with these values and the judges name them back, so every pair that may meet in one
picture lies at least `MIN_DISTANCE` apart in RGB. There are no forbidden pairs: all colours and backgrounds
keep that distance from each other (tested).
"""

import math

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
