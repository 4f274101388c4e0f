"""A finished clip, on its way to a file or back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from shared.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FLAT_RANGE = 2
"""A frame whose channels span no more than this many of 255 levels shows nothing."""


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames with their rate and what is known about them.

    Attributes:
        frames: (F, H, W, 3) uint8, RGB.
        fps: Frames per second.
        metadata: What the receipt says about the run: `command`, `request`, `runtime`, `seed`,
            `weights_sha256`, and anything else that JSON can hold.

    Raises:
        InputError: Frames of another shape or type, no frame, or a rate that is not above 0.
    """

    frames: NDArray[np.uint8]
    fps: float
    metadata: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        shape = self.frames.shape
        if self.frames.dtype != "uint8" or len(shape) != 4 or shape[3] != 3 or 0 in shape:
            raise InputError(f"frames must be (F, H, W, 3) uint8, not {shape} {self.frames.dtype}")
        if not 0 < self.fps <= 1000:
            raise InputError(f"fps must be above 0 and at most 1000, not {self.fps}")

    @property
    def seconds(self) -> float:
        """Duration."""
        return len(self.frames) / self.fps

    def check_shows_something(self) -> None:
        """Refuse a clip of flat frames: a model that failed, not a picture.

        Raises:
            InputError: Every frame is of one colour.
        """
        low, high = self.frames.min((1, 2)).astype(int), self.frames.max((1, 2)).astype(int)
        if (high - low).max() <= FLAT_RANGE:
            colour = tuple(int(level) for level in self.frames[0, 0, 0])
            raise InputError(
                f"all {len(self.frames)} frames are flat, the first of RGB {colour}: nothing is written; "
                "try another seed, more steps, or dtype float32"
            )

    def save(self, path: str | Path) -> Path:
        """Write the clip with its receipt, whole or not at all; the suffix decides the format.

        `.mp4` (H.264), `.mkv` (FFV1, lossless), `.gif`, `.png` (one frame), no suffix (a folder of PNGs).

        Returns:
            The path written.

        Raises:
            InputError: A flat clip, an unknown suffix, several frames for a PNG, a place that takes no file.
            ResourceError: The disk is full.
        """
        from shared.provenance import write_with_receipt  # which itself writes through this package

        return write_with_receipt(self, Path(path))
