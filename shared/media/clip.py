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

    from shared.media.sound import Sound

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
        sound: What is heard, as long as the frames to within one of them; None for a silent clip.

    Raises:
        InputError: Frames of another shape or type, no frame, a rate that is not above 0, or a sound of another length.
    """

    frames: NDArray[np.uint8]
    fps: float
    metadata: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    sound: Sound | None = None

    def __post_init__(self) -> None:
        shape = self.frames.shape
        if self.frames.dtype != "uint8" or len(shape) != 4 or shape[3] != 3 or 0 in shape:
            raise InputError(f"frames must be (F, H, W, 3) uint8, not {shape} {self.frames.dtype}")
        if not 0 < self.fps <= 1000:
            raise InputError(f"fps must be above 0 and at most 1000, not {self.fps}")
        if self.sound is not None and abs(self.sound.seconds - self.seconds) * self.fps > 1:
            raise InputError(
                f"the sound lasts {self.sound.seconds:.3f} s and the frames {self.seconds:.3f} s: one frame may lie "
                "between them"
            )

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

        `.mp4` (H.264), `.mkv` (FFV1, lossless), `.gif`, `.png` (one frame), no suffix (a folder of PNGs). A sound
        goes into the first two, as AAC.

        Returns:
            The path written.

        Raises:
            InputError: A flat clip, an unknown suffix, several frames for a PNG, a sound for what holds none, a place
                that takes no file.
            ResourceError: The disk is full.
        """
        from shared.provenance import write_with_receipt  # which itself writes through this package

        return write_with_receipt(self, Path(path))
