"""A film looked through frame by frame, so that a long one never stands in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from shared.errors import InputError
from shared.media.video import ShownFrames, opened

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Film:
    """What a film is, without its pictures.

    Attributes:
        times: (F,), seconds from the first frame to each, rising.
        height: of a frame as players show it.
        width: likewise.
    """

    times: NDArray[np.float64]
    height: int
    width: int


def look_through(path: Path) -> Film:
    """Decode every frame of a film and keep none.

    Frames without times of their own are taken to follow each other at the film's rate.

    Raises:
        InputError: The film is damaged, or has no frame, or nothing tells its rate.
    """
    times: list[float | None] = []
    height = width = 0
    with opened(path) as container:
        shown = ShownFrames(container, path)
        for frame in shown:
            if not times:
                width, height = shown.size(frame)
            times.append(frame.time)
        rate = float(shown.stream.average_rate or 0)
    if not times:
        raise InputError(f"{path} has no picture")
    known = np.array([time for time in times if time is not None])
    if len(known) == len(times) and (np.diff(known) > 0).all():
        return Film(known - known[0], height, width)
    if not rate:
        raise InputError(f"{path} says neither when its frames come nor how many in a second")
    return Film(np.arange(len(times)) / rate, height, width)


def picked(path: Path, indices: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
    """Some frames of a film, (H, W, 3) uint8 each; what comes after the last of them is not decoded.

    Args:
        path: The film.
        indices: Rising, counted from 0; one that stands there twice comes twice.

    Raises:
        InputError: The film is damaged, or ends before the last of them.
    """
    wanted = list(indices)
    with opened(path) as container:
        shown = ShownFrames(container, path)
        for index, frame in enumerate(shown):
            while wanted and wanted[0] == index:
                yield shown.to_rgb(frame)
                wanted.pop(0)
            if not wanted:
                return
    raise InputError(f"{path} ends before frame {wanted[0]}")


def last_frame(path: Path) -> NDArray[np.uint8]:
    """The last frame of a film, (H, W, 3) uint8: the container's index says where decoding begins.

    Raises:
        InputError: The film is damaged, or has no frame.
    """
    with opened(path) as container:
        shown = ShownFrames(container, path)
        container.seek((container.start_time or 0) + (container.duration or 0))
        remaining = deque(shown, maxlen=1)
        if not remaining:
            raise InputError(f"{path} has no picture")
        return shown.to_rgb(remaining.pop())
