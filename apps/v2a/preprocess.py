"""From a user's clip to the pictures that the encoders see, by their times and in their sizes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from apps.v2a.layout import EARLY
from apps.v2a.request import LONGEST_SECONDS
from shared.errors import InputError
from shared.media.video import opened, to_rgb

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

LONGEST = float(LONGEST_SECONDS)
"""Seconds of the longest clip that is given a sound."""

Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class Seen:
    """A clip as encoders see it.

    Attributes:
        seconds: from its first frame to the end of its last.
        frames: side in pixels -> (F, side, side, 3) uint8.
        times: side -> (F,) seconds at which these frames come, the first at 0.
    """

    seconds: float
    frames: Mapping[int, Frames]
    times: Mapping[int, NDArray[np.float64]]


def check_film(path: Path) -> None:
    """Open a film, so that a wrong file costs no waiting.

    Raises:
        InputError: the file is no film, has no picture, or says that it is too long.
    """
    with opened(path) as container:
        check_shown(container, path)


def check_shown(container: InputContainer, path: Path) -> None:
    """The same for a film that is open.

    Raises:
        InputError: it has no picture, or says that it is too long.
    """
    if not container.streams.video:
        raise InputError(f"{path} has no picture; a prompt and --seconds alone make a sound, too")
    stream = container.streams.video[0]
    if stream.duration is not None and stream.time_base is not None:
        _check_length(path, float(stream.duration * stream.time_base))
    elif container.duration is not None:
        _check_length(path, container.duration / 1e6)


def _check_length(path: Path, seconds: float) -> None:
    if seconds > LONGEST:
        raise InputError(
            f"{path} is {seconds:.0f} s long, at most {LONGEST:.0f} s are given a sound: cut it first"
        )


def watch(path: Path, rates: Mapping[int, float]) -> Seen:
    """Look through a film once, keeping the frames that stand on the screen when encoders look.

    Args:
        path: the film.
        rates: side of an encoder's pictures -> how many a second it is shown.

    Raises:
        InputError: the film is damaged, too long, or has no picture.
    """
    frames: dict[int, list[Frames]] = {side: [] for side in rates}
    times: dict[int, list[float]] = {side: [] for side in rates}
    until = 0.0
    for moment, until, frame in _on_screen(path):
        _check_length(path, until)
        asking = [side for side, rate in rates.items() if _is_asked_for(moment, until, rate)]
        pictures = {side: squeezed(to_rgb(frame), side) for side in asking}
        for side, picture in pictures.items():
            frames[side].append(picture)
            times[side].append(moment)
    if not until:
        raise InputError(f"{path} has no picture")
    return Seen(
        until,
        {side: np.stack(kept) for side, kept in frames.items()},
        {side: np.array(kept) for side, kept in times.items()},
    )


def squeezed(picture: Frames, side: int) -> Frames:
    """A picture (H, W, 3) as a square (side, side, 3), nothing cut off: what happens at the edge sounds too."""
    if picture.shape[:2] == (side, side):
        return picture
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))


def _is_asked_for(moment: float, until: float, rate: float) -> bool:
    """Whether an encoder that looks `rate` times a second looks while a frame stands on the screen."""
    return math.ceil((moment - EARLY) * rate) / rate < until - EARLY


def _on_screen(path: Path) -> Iterator[tuple[float, float, VideoFrame]]:
    """Every frame with the seconds at which it comes and goes, counted from the first."""
    with opened(path) as container:
        check_shown(container, path)
        stream = container.streams.video[0]
        step = 1 / float(stream.average_rate or stream.guessed_rate or 25)
        shown, start, came = None, 0.0, 0.0
        for number, frame in enumerate(container.decode(stream)):
            moment = number * step if frame.time is None else frame.time
            if shown is None:
                start = moment
            else:
                gone = max(moment - start, came)
                yield came, gone, shown
                came = gone
            shown = frame
        if shown is not None:
            base = shown.time_base
            lasting = float(shown.duration * base) if shown.duration and base else step
            yield came, came + lasting, shown
