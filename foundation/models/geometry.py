"""Sizes and lengths that latents can have; nothing here imports torch."""

from __future__ import annotations

import math

from shared.config import Size
from shared.errors import InputError

SIZE_MULTIPLE = 16
"""8 pixels per latent times a patch of 2."""

FRAME_STRIDE = 4
"""Frames per latent frame; the first frame has one of its own, hence 4k + 1."""

LONGEST_SECONDS = 120
MOST_FRAMES = 24 * LONGEST_SECONDS + 1
LARGEST_SIDE = 4096


def check_size(size: Size) -> None:
    """Refuse a size that the latents cannot have, naming the nearest that they can.

    Raises:
        InputError: A side is not a positive multiple of 16, or too large.
    """
    nearest = Size(*(min(max(_nearest(side, SIZE_MULTIPLE), SIZE_MULTIPLE), LARGEST_SIDE) for side in size))
    if nearest != size:
        raise InputError(
            f"size: both sides must be multiples of {SIZE_MULTIPLE}, {SIZE_MULTIPLE} to {LARGEST_SIDE}, "
            f"not {size}; the nearest is {nearest}"
        )


def check_frames(frames: int) -> None:
    """Refuse a number of frames that is not 4k + 1.

    Raises:
        InputError: With the two nearest numbers that are.
    """
    below = (frames - 1) // FRAME_STRIDE * FRAME_STRIDE + 1
    if below != frames:
        raise InputError(
            f"frames must be 4k + 1, not {frames}; the nearest are {below} and {below + FRAME_STRIDE}"
        )


def frames_for(seconds: float, fps: float) -> int:
    """The number of frames, 4k + 1, whose duration is nearest to `seconds`; halves go up."""
    return max(_nearest(seconds * fps - 1, FRAME_STRIDE), 0) + 1


def _nearest(value: float, multiple: int) -> int:
    return math.floor(value / multiple + 0.5) * multiple
