"""A finished sound, on its way to a file: by itself, or with the film that it was made for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.media.sound import Sound

SUFFIXES = (".mp4", ".mkv", ".wav")


@dataclass(frozen=True, eq=False)
class Soundtrack:
    """A sound and what is known about it.

    Attributes:
        sound: As it was made; its samples are what a receipt's hash is about.
        film: The film that it was made for; None for a sound of its own.
        written: What a file holds: the sound, or its mixture with the film's own.
        keep: The film's own sound stays in the file, before the new one.
        metadata: As a `Clip`'s.
    """

    sound: Sound
    film: Path | None = None
    written: Sound | None = None
    keep: bool = False
    metadata: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def save(self, path: str | Path) -> Path:
        """Write the sound with its receipt, whole or not at all: `.wav`, or `.mp4` and `.mkv` with its film.

        A WAV holds the samples themselves; in a film they are AAC, and the picture is copied.

        Raises:
            InputError: An unknown suffix, a film's for a sound of its own, or a place that takes no file.
            ResourceError: The disk is full.
        """
        from shared.results import write_with_receipt  # which itself writes through this package

        return write_with_receipt(self, Path(path))


def samples_sha256(sound: Sound) -> str:
    """The hash of samples without any codec: channels, length and rate, then (C, N) float32 in C order."""
    channels, length = sound.waveform.shape
    digest = hashlib.sha256(f"{channels}x{length}@{sound.sample_rate}".encode())
    digest.update(sound.waveform.tobytes())
    return digest.hexdigest()
