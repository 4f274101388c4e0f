"""Holds what was made again against the receipt of what was made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.config import shorten
from shared.errors import CheckFailed, InputError
from shared.results.soundtrack import Soundtrack, samples_sha256

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from shared.media.sound import Sound
    from shared.results import Clip
    from shared.results.clip import FrameSource, LongClip


def check_same(path: Path, receipt: Mapping[str, Any], made: Clip | LongClip | Soundtrack) -> None:
    """Hold new frames or samples against the recorded hash.

    Raises:
        CheckFailed: They differ; the line says how far, where the file can tell, and what is different here.
    """
    apart = []
    if (samples_sha256(made.sound) if made.sound else None) != receipt.get("raw_samples_sha256"):
        apart.append(_sound_distance(path, receipt, made.sound))
    if not isinstance(made, Soundtrack) and made.frames_sha256 != receipt.get("raw_frames_sha256"):
        apart.append(_distance(path, receipt, made.frames))
    if apart:
        raise CheckFailed(
            f"{path} was made again, but not bit for bit: {'; '.join(apart)}; {_differences(receipt, made)}"
        )


def _sound_distance(path: Path, receipt: Mapping[str, Any], sound: Sound | None) -> str:
    if sound is None or "raw_samples_sha256" not in receipt:
        return f"it has {'a' if sound else 'no'} sound now"

    import numpy as np

    from shared.media.sound import read_sound

    original = read_sound(path) if path.suffix.lower() == ".wav" else None
    if original is None or samples_sha256(original) != receipt.get("raw_samples_sha256"):
        return "how far apart they are cannot be told, for the file does not hold its every sample (WAV does)"
    if original.waveform.shape != sound.waveform.shape:
        return f"samples are {sound.waveform.shape} where they were {original.waveform.shape}"
    return f"samples differ by {np.abs(original.waveform - sound.waveform).max():.2g} of full scale at most"


def _distance(path: Path, receipt: Mapping[str, Any], made: FrameSource) -> str:
    import numpy as np

    original = _original(path, receipt.get("raw_frames_sha256", ""))
    if original is None:
        return "how far apart they are cannot be told, for the file does not hold its every pixel (MKV and PNG do)"
    if original.shape != made.shape:
        return f"frames are {made.shape} where they were {original.shape}"
    frames = np.stack(tuple(made))
    gap = np.abs(original.astype(np.int16) - frames)
    decibels = 20 * np.log10(255) - 10 * np.log10(np.mean(np.square(gap, dtype=np.float64)))
    return f"frames differ by {gap.max()} of 255 levels at most, PSNR {decibels:.1f} dB"


def _original(path: Path, raw_sha256: str) -> NDArray[np.uint8] | None:
    """The frames as they were before any codec, if the file still holds them."""
    from shared.media.picture import pixels_sha256
    from shared.results import read_clip

    try:
        frames = read_clip(path).frames
    except InputError:
        return None
    return frames if pixels_sha256(frames) == raw_sha256 else None


def _differences(receipt: Mapping[str, Any], made: Clip | LongClip | Soundtrack) -> str:
    """What the receipt names and is not so here."""
    from shared.receipts.receipt import versions

    there = {**receipt["versions"], **receipt.get("runtime", {})}
    here = {**versions(), **made.metadata.get("runtime", {})}
    found = [
        f"{name} {shorten(there[name], 40)} there, {here.get(name, 'none')!r} here"
        for name in there
        if there[name] != here.get(name)
    ]
    return ", ".join(found) or "versions, device, precision and threads are the same here as there"
