"""From a user's clip to the pictures that the encoders see, by their times and in their sizes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from apps.v2a.model.layout import EARLY
from apps.v2a.request import LONGEST_SECONDS
from shared.errors import InputError
from shared.media.limited import check_medium
from shared.media.video import ShownFrames, opened, picture_stream

if TYPE_CHECKING:
    from av.container import InputContainer

LONGEST = float(LONGEST_SECONDS)
"""Seconds of the longest clip that is given a sound."""

Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class SampledFrames:
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
    """Decode a film and open it, so that a wrong file costs no waiting.

    Raises:
        InputError: the file is no film, is damaged, has no picture, or says that it is too long.
    """
    check_medium(path)
    with opened(path) as container:
        check_shown(container, path)


def check_shown(container: InputContainer, path: Path) -> None:
    """The same for a film that is open.

    Raises:
        InputError: it has no picture, or says that it is too long.
    """
    try:
        stream = picture_stream(container, path)
    except InputError as error:
        raise InputError(f"{error}; a prompt and --seconds alone make a sound, too") from None
    if stream.duration is not None and stream.time_base is not None:
        _check_length(path, float(stream.duration * stream.time_base))
    elif container.duration is not None:
        _check_length(path, container.duration / 1e6)


def _check_length(path: Path, seconds: float) -> None:
    if seconds > LONGEST:
        raise InputError(
            f"{path} is {seconds:.0f} s long, at most {LONGEST:.0f} s are given a sound: cut it first"
        )


def sample_frames(path: Path, rates: Mapping[int, float]) -> SampledFrames:
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
    for moment, until, draw in _on_screen(path):
        _check_length(path, until)
        asking = [side for side, rate in rates.items() if _is_asked_for(moment, until, rate)]
        picture = draw() if asking else None
        for side in asking:
            assert picture is not None
            frames[side].append(squeezed(picture, side))
            times[side].append(moment)
    if not until:
        raise InputError(f"{path} has no picture")
    return SampledFrames(
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


def _on_screen(path: Path) -> Iterator[tuple[float, float, Callable[[], Frames]]]:
    """Seconds at which every frame comes and goes, counted from the first, and what draws it."""
    with opened(path) as container:
        check_shown(container, path)
        reader = ShownFrames(container, path)
        stream = reader.stream
        step = 1 / float(stream.average_rate or stream.guessed_rate or 25)
        shown, start, came = None, 0.0, 0.0
        for number, frame in enumerate(reader):
            moment = number * step if frame.time is None else frame.time
            if shown is None:
                start = moment
            else:
                gone = max(moment - start, came)
                yield came, gone, partial(reader.to_rgb, shown)
                came = gone
            shown = frame
        if shown is not None:
            base = shown.time_base
            lasting = float(shown.duration * base) if shown.duration and base else step
            yield came, came + lasting, partial(reader.to_rgb, shown)
