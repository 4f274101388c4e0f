"""How much of a user's medium is read, and what reading it may cost."""

from __future__ import annotations

from pathlib import Path

from shared.errors import InputError

MOST_PIXELS, LONGEST_SIDE = 64_000_000, 16_384
"""Of a still picture, or of a frame of a film: 8000x8000 and 16384 a side."""

MOST_SECONDS = 1800
"""Of a film or a sound: half an hour."""

MOST_FRAMES = 120_000
"""Of a film: half an hour at 60 frames a second, and some more."""

MOST_CLIP_BYTES = 4 << 30
"""Of a clip whose frames are held in memory all at once: 690 frames of 1920x1080."""

MOST_MEMORY = 4 << 30
"""Bytes that a process which decodes one medium may take."""

MOST_PATIENCE = 300
"""Seconds, of the clock and of the processor, in which one medium must be decoded."""

MOST_AT_ONCE = 2
"""Media that one process has decoded at the same time; further ones wait."""


def check_pixels(path: Path, width: int, height: int) -> None:
    """Refuse a picture by its declared size, before anything is decoded.

    Raises:
        InputError: More than `MOST_PIXELS`, or a side longer than `LONGEST_SIDE`.
    """
    if width * height > MOST_PIXELS or max(width, height) > LONGEST_SIDE:
        raise InputError(
            f"{path} is {width}x{height}: at most {MOST_PIXELS // 1_000_000} million pixels and {LONGEST_SIDE} a side "
            "are read; make it smaller first"
        )


def check_seconds(path: Path, seconds: float) -> None:
    """Refuse a film or a sound by its duration, declared or decoded so far.

    Raises:
        InputError: More than `MOST_SECONDS`.
    """
    if seconds > MOST_SECONDS:
        raise InputError(
            f"{path} lasts {seconds:.0f} s or more: at most {MOST_SECONDS} s are read; cut it first"
        )


def check_frames(path: Path, frames: int) -> None:
    """Refuse a film by its number of frames, declared or decoded so far.

    Raises:
        InputError: More than `MOST_FRAMES`.
    """
    if frames > MOST_FRAMES:
        raise InputError(f"{path} has {frames} frames or more: at most {MOST_FRAMES} are read; cut it first")


def check_clip_bytes(path: Path, held: int) -> None:
    """Refuse a clip whose frames take too much memory, by those decoded so far.

    Raises:
        InputError: More than `MOST_CLIP_BYTES`.
    """
    if held > MOST_CLIP_BYTES:
        raise InputError(
            f"{path} takes more than {MOST_CLIP_BYTES / (1 << 30):g} GiB once decoded: cut it or make it smaller first"
        )
