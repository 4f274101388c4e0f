"""Shots become one film: their frames one after the other, their sounds at the places of their frames."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.media.clip import LongClip
from shared.media.film import picked
from shared.media.sound import Sound, read_sound
from shared.media.video import opened

EDGE = 0.005
"""Seconds in which a sound comes and goes where shots meet: a waveform that is cut clicks."""


def joined(pictures: Sequence[Path], sounds: Sequence[Path | None], fps: float) -> LongClip:
    """One clip of several shots; its frames are decoded when it is saved.

    Args:
        pictures: the shots' files (FFV1), of one size, every pixel kept; they stay until the clip is saved.
        sounds: the shots' sounds, None for silence; as many.
        fps: of all of them.

    Returns:
        The clip. Its sound, at the highest rate and with the most channels of any, lasts as long as its frames to the
        sample; it has none where all shots are silent.
    """
    frames = JoinedFrames.of(pictures)
    ends = np.cumsum(frames.counts) / fps
    found = [None if sound is None else read_sound(sound) for sound in sounds]
    return LongClip(frames, fps, sound=_in_a_row(found, [0.0, *map(float, ends)]))


@dataclass(frozen=True, eq=False)
class JoinedFrames:
    """The frames of films one after the other, decoded anew each time they are asked for.

    Attributes:
        films: their files, of which each packet is a frame.
        counts: frames of each.
        height: of all of them.
        width: likewise.
    """

    films: tuple[Path, ...]
    counts: tuple[int, ...]
    height: int
    width: int

    @classmethod
    def of(cls, films: Sequence[Path]) -> JoinedFrames:
        """Look at the films' packets, and decode none."""
        shapes = [_shape(film) for film in films]
        height, width = shapes[0][1:]
        return cls(tuple(films), tuple(shape[0] for shape in shapes), height, width)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(F, H, W, 3)."""
        return len(self), self.height, self.width, 3

    def __len__(self) -> int:
        return sum(self.counts)

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        for film, count in zip(self.films, self.counts, strict=True):
            yield from picked(film, range(count))


def _shape(film: Path) -> tuple[int, int, int]:
    """Frames, height and width of a film."""
    with opened(film) as container:
        stream = container.streams.video[0]
        return sum(packet.size > 0 for packet in container.demux(stream)), stream.height, stream.width


def _in_a_row(sounds: Sequence[Sound | None], edges: Sequence[float]) -> Sound | None:
    """Sounds between the edges of their shots, in seconds; what is too long is cut, what is missing is silent."""
    there = [sound for sound in sounds if sound is not None]
    if not there:
        return None
    rate = max(sound.sample_rate for sound in there)
    channels = max(len(sound.waveform) for sound in there)
    places = [math.floor(edge * rate + 0.5) for edge in edges]
    whole = np.zeros((channels, places[-1]), np.float32)
    for sound, start, end in zip(sounds, places, places[1:], strict=False):
        if sound is None:
            continue
        heard = sound.resampled(rate).waveform[:, : end - start]
        heard = np.broadcast_to(
            heard if len(heard) == channels else heard.mean(axis=0), (channels, heard.shape[1])
        )
        whole[:, start : start + heard.shape[1]] = heard * _edges(
            heard.shape[1], rate, start > 0, end < places[-1]
        )
    return Sound(whole, rate)


def _edges(length: int, rate: int, begins: bool, ends: bool) -> np.ndarray:
    """(length,) gains that rise from and fall to silence at the edges that meet another shot."""
    gain = np.ones(length, np.float32)
    ramp = np.linspace(0, 1, min(round(EDGE * rate), length), dtype=np.float32)
    if begins:
        gain[: len(ramp)] *= ramp
    if ends:
        gain[length - len(ramp) :] *= ramp[::-1]
    return gain
