"""A clip that is there already becomes a shot: at the film's rate, in its size."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from apps.i2v.preprocess import fitted
from apps.v2a.layout import EARLY
from shared.media.clip import Clip
from shared.media.film import look_through, picked
from shared.media.sound import Sound, read_sound

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.config import Size


def as_shot(path: Path, size: Size, fps: float, note: Callable[[str], None] | None = None) -> Clip:
    """A clip's frames as a film shows them: at each moment whatever frame stands on the screen.

    Args:
        path: the clip.
        size: of the film; another shape is cut around the middle.
        fps: of the film.
        note: told what was done to the frames.

    Raises:
        InputError: the clip is damaged.
    """
    film = look_through(path)
    step = float(film.times[-1]) / (len(film.times) - 1) if len(film.times) > 1 else 1 / fps
    count = max(1, round((float(film.times[-1]) + step) * fps))
    moments = np.arange(count) / fps + EARLY
    shown = np.searchsorted(film.times, moments, side="right") - 1
    frames = [fitted(frame, size) for frame in picked(path, shown.tolist())]
    if note is not None and (film.width, film.height) != tuple(size):
        note(f"{path}: {film.width}x{film.height} is brought to {size}")
    if note is not None and not math.isclose(step * fps, 1, abs_tol=1e-2):
        note(f"{path}: {1 / step:.3g} fps become {fps:g}")
    return Clip(np.stack(frames), fps)


def own_sound(path: Path) -> Sound | None:
    """What a clip sounds like by itself; None for a silent one.

    Raises:
        InputError: the clip is damaged.
    """
    sound = read_sound(path)
    return None if sound is None or not sound.waveform.size else sound
