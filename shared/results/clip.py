"""A finished clip, on its way to a file or back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from shared.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from shared.media.sound import Sound


class FrameSource(Protocol):
    """Frames of one size, taken one after the other, as often as they are asked for; an array is one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(F, H, W, 3)."""
        ...

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[NDArray[np.uint8]]: ...


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
        _check_lengths(self)

    @property
    def seconds(self) -> float:
        """Duration."""
        return len(self.frames) / self.fps

    @cached_property
    def frames_sha256(self) -> str:
        """The hash of the frames without any codec."""
        return _frames_sha256(self.frames)

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
        from shared.results import write_with_receipt  # which itself writes through this package

        return write_with_receipt(self, Path(path))


@dataclass(frozen=True, eq=False)
class LongClip:
    """A clip whose frames never stand in memory all at once.

    Attributes:
        frames: Frames that show something, as a `Clip`'s.
        fps: As a `Clip`'s, like the rest.
        metadata: See there.
        sound: See there.

    Raises:
        InputError: A sound of another length than the frames.
    """

    frames: FrameSource
    fps: float
    metadata: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    sound: Sound | None = None

    def __post_init__(self) -> None:
        _check_lengths(self)

    @property
    def seconds(self) -> float:
        """Duration."""
        return len(self.frames) / self.fps

    @cached_property
    def frames_sha256(self) -> str:
        """The hash of the frames without any codec."""
        return _frames_sha256(self.frames)

    def save(self, path: str | Path) -> Path:
        """Write the clip with its receipt; see `Clip.save`."""
        from shared.results import write_with_receipt

        return write_with_receipt(self, Path(path))


def _check_lengths(clip: Clip | LongClip) -> None:
    if clip.sound is not None and abs(clip.sound.seconds - clip.seconds) * clip.fps > 1:
        raise InputError(
            f"the sound lasts {clip.sound.seconds:.3f} s and the frames {clip.seconds:.3f} s: one frame may lie "
            "between them"
        )


def _frames_sha256(frames: FrameSource) -> str:
    from shared.media.picture import pixels_sha256

    return pixels_sha256(frames)
