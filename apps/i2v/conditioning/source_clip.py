"""The clip that is continued: read once, brought to the model's frame rate and to sides that latents can have."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING

from foundation.models.geometry import SIZE_MULTIPLE
from shared.config import Size

if TYPE_CHECKING:
    from apps.i2v.conditioning.images import Note
    from shared.media.sound import Sound
    from shared.results import Clip

WITH_SOUND = (".mp4", ".mkv", ".mov", ".m4v", ".webm")
"""Films whose sound is kept."""


def read_source_clip(path: Path) -> Clip:
    """A clip with its sound, of exactly the clip's duration.

    Raises:
        InputError: it cannot be read.
    """
    from shared.media.limited import check_medium
    from shared.media.sound import read_sound
    from shared.results.reading import read_clip

    check_medium(path)
    clip = read_clip(path)
    sound = read_sound(path) if path.suffix.lower() in WITH_SOUND else None
    if sound is None or not sound.waveform.size:
        return clip
    return dataclasses.replace(clip, sound=cut_sound(sound, 0.0, clip.seconds))


def fit_source_clip(clip: Clip, fps: float, name: str, note: Note) -> Clip:
    """A clip at a model's frame rate, with sides that are multiples of 16; what changes is logged."""
    import numpy as np

    from foundation.data.folder.buckets import nearest_frames
    from shared.media.picture import covering

    frames, height, width = clip.frames, *clip.frames.shape[1:3]
    if not math.isclose(clip.fps, fps, rel_tol=1e-3):
        count = max(round(clip.seconds * fps), 1)
        times = [index / clip.fps for index in range(len(frames))]
        frames = frames[nearest_frames(times, fps, count)]
        note(f"{name}: {clip.fps:g} frames a second are resampled to the model's {fps:g}")
    size = Size(*(max(round(side / SIZE_MULTIPLE), 1) * SIZE_MULTIPLE for side in (width, height)))
    if size != (width, height):
        frames = np.stack([covering(frame, size.height, size.width) for frame in frames])
        note(f"{name}: {width}x{height} is resized to {size}: sides are multiples of {SIZE_MULTIPLE}")
    if frames is clip.frames:
        return clip
    sound = None if clip.sound is None else cut_sound(clip.sound, 0.0, len(frames) / fps)
    return dataclasses.replace(clip, frames=frames, fps=fps, sound=sound)


def continue_sound(source: Clip, longer: Clip, added: int) -> Clip:
    """A continued clip with the sound of its source, then silence.

    Args:
        source: the clip that was continued.
        longer: the whole clip; the source's last frames stand before the added ones.
        added: frames that the source does not have.
    """
    if source.sound is None:
        return longer
    left_out = max(len(source.frames) - (len(longer.frames) - added), 0)
    return dataclasses.replace(longer, sound=cut_sound(source.sound, left_out / source.fps, longer.seconds))


def cut_sound(sound: Sound, start: float, seconds: float) -> Sound:
    """A part of a sound of exactly so many seconds; silence where the sound is over."""
    import numpy as np

    from shared.media.sound import Sound

    first, length = round(start * sound.sample_rate), round(seconds * sound.sample_rate)
    part = sound.waveform[:, first : first + length]
    return Sound(np.pad(part, ((0, 0), (0, length - part.shape[1]))), sound.sample_rate)
