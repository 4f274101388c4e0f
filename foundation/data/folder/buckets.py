"""Which length and size a clip is trained at: buckets of duration x aspect ratio (paper section 4.5).

All frames of a batch must be of one shape, so clips are sorted into a few shapes of about the same area. A clip
goes to the longest duration that it fills at the target rate and to the nearest aspect ratio.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from foundation.models.geometry import (
    FRAME_STRIDE,
    MOST_FRAMES,
    SIZE_MULTIPLE,
    check_frames,
    check_size,
)
from shared.config import Size, check, setting
from shared.errors import InputError

if TYPE_CHECKING:
    from foundation.data.folder.survey import Medium

RATIOS = (1.0, 4 / 3, 3 / 4, 16 / 9, 9 / 16)
"""Width by height. With the released model's areas they give the sizes that it supports."""

MOST_ENLARGED = 1.25
"""Larger factors teach blur."""


@dataclass(frozen=True)
class ClipSettings:
    """The model's side: what clips are trained at.

    Raises:
        InputError: a size, a number of frames or a rate that no clip can have.
    """

    size: Size = setting(Size(64, 64), "the area that pictures are brought to; multiples of 16")
    frames: int = setting(
        17, "the longest clip, as 4k + 1 frames; 1 takes a picture from each", minimum=1, maximum=MOST_FRAMES
    )
    fps: float = setting(8.0, "the rate that clips are brought to", minimum=1, maximum=120)

    def __post_init__(self) -> None:
        check(self)
        check_size(self.size)
        check_frames(self.frames)


@dataclass(frozen=True, order=True)
class Bucket:
    """Clips of one shape: 4k + 1 frames, sides in pixels, multiples of 16."""

    frames: int
    height: int
    width: int

    @property
    def still(self) -> bool:
        """Holds pictures."""
        return self.frames == 1

    @property
    def tokens(self) -> int:
        """Video tokens of one clip (paper section 4.2): what it costs."""
        return self.latent_frames * (self.height // SIZE_MULTIPLE) * (self.width // SIZE_MULTIPLE)

    @property
    def latent_frames(self) -> int:
        """Latent frames of one clip: k + 1."""
        return (self.frames - 1) // FRAME_STRIDE + 1

    def __str__(self) -> str:
        return f"{self.frames}x{self.height}x{self.width}"


def sizes(area: Size) -> tuple[Size, ...]:
    """Sizes of about the given area, one per aspect ratio; fewer where small sizes fall together."""
    pixels = area.width * area.height
    found = (Size(_side(math.sqrt(pixels * ratio)), _side(math.sqrt(pixels / ratio))) for ratio in RATIOS)
    return tuple(dict.fromkeys((area, *found)))


def durations(frames: int) -> tuple[int, ...]:
    """Numbers of frames, longest first, each 4k + 1: `frames`, three quarters, half, and so on down to 5.

    From one to the next a clip loses a third at most, but for the shortest.
    """
    strides, found = (frames - 1) // FRAME_STRIDE, []
    while strides:
        found += [strides, strides * 3 // 4]
        strides //= 2
    return tuple(k * FRAME_STRIDE + 1 for k in dict.fromkeys(found) if k) or (1,)


def frames_at(medium: Medium, fps: float) -> int:
    """How many frames a clip has at another rate: as many as have one of its own within half a frame's time."""
    if medium.still:
        return 1
    return math.floor((medium.span + 0.5 / medium.fps) * fps + 1e-6) + 1


def bucket_of(medium: Medium, settings: ClipSettings) -> Bucket:
    """Where a clip or picture belongs.

    Raises:
        InputError: it is too short or too small for every bucket; the line names no file.
    """
    return _shape(medium, 1 if medium.still else _duration(medium, settings), sizes(settings.size))


def _duration(medium: Medium, settings: ClipSettings) -> int:
    own, known = frames_at(medium, settings.fps), durations(settings.frames)
    fitting = [frames for frames in known if frames <= own]
    if not fitting:
        raise InputError(
            f"too short: {medium.frames} frames at {medium.fps:.4g} fps are {own} at {settings.fps:g} fps, "
            f"the shortest bucket has {known[-1]}"
        )
    return fitting[0]


def _shape(medium: Medium, frames: int, known: Iterable[Size]) -> Bucket:
    ratio = math.log(medium.width / medium.height)
    size = min(known, key=lambda size: abs(math.log(size.width / size.height) - ratio))
    factor = max(size.width / medium.width, size.height / medium.height)
    if factor > MOST_ENLARGED:
        raise InputError(
            f"too small: {medium.width}x{medium.height} would be enlarged {factor:.2f} times to {size}, "
            f"at most {MOST_ENLARGED:g} is allowed"
        )
    return Bucket(frames, size.height, size.width)


def nearest_frames(times: Sequence[float], fps: float, frames: int) -> list[int]:
    """Which frames of a clip stand nearest to the beats of another rate, from the first frame on.

    Args:
        times: seconds of each frame from the first one, rising.
        fps: the rate wanted.
        frames: how many.

    Returns:
        Rising indices; one comes twice where the clip is slower than the rate.
    """
    chosen, at = [], 0
    for beat in range(frames):
        time = beat / fps
        while at + 1 < len(times) and abs(times[at + 1] - time) <= abs(times[at] - time):
            at += 1
        chosen.append(at)
    return chosen


def _side(length: float) -> int:
    return max(1, math.floor(length / SIZE_MULTIPLE + 0.5)) * SIZE_MULTIPLE
