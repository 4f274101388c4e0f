"""Make a film: video, audio, and all of it joined in one file."""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.film.host import FilmHost
from apps.film.plan import Film, plan
from apps.film.request import FilmRequest
from apps.film.rerun import about_film
from apps.film.rewriting import rewrite_all, rewriter_of
from apps.film.shot_cache import ABOUT, Take, find_take
from apps.film.shots import GeneratedVideo, Piece
from foundation.runtime.host import TERMINAL, Host
from shared.config import to_argv
from shared.console import note
from shared.media.film import picked
from shared.media.sound import Sound, read_sound
from shared.media.video import opened
from shared.results.clip import LongClip

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


def make(request: FilmRequest, host: Host = TERMINAL) -> list[Path]:
    """Make a film and print where it is.

    Each shot's picture and sound is a file in a folder beside the film; those that are there, made with the same
    settings and weights, are taken as they are. Where a step fails, what was made before it stays there.

    Args:
        request: What to make.
        host: Loads models and watches steps.

    Returns:
        The path of the film.
    """
    takes: dict[Path, Take] = {}
    with ExitStack() as held:
        film = plan(request, held)
        try:
            _complete(film, host, takes)
            path = _join(film, host, takes)
        except BaseException:
            _tell_what_is_kept(film, takes)
            raise
    host.made(path)
    return [path]


def _complete(film: Film, host: Host, takes: dict[Path, Take]) -> None:
    """Make what is missing, piece by piece, and fill `takes` with what is there."""
    again = set(film.request.shot)
    missing = _missing(film.pieces, again)
    told = _told(film.request, [piece for piece in missing if isinstance(piece, GeneratedVideo)])
    with FilmHost(host, sum(piece.steps for piece in missing)) as stage:
        for piece in film.pieces:
            key = piece.key(takes)
            take = None if piece.number in again else find_take(piece.file, key)
            if take is None:
                note(f"shot {piece.number} of {len(film.shots)}: {piece.what}")
                about = {ABOUT: {"number": piece.number, "key": key}}
                piece.make(stage.telling(about), takes, lambda _, number=piece.number: [told[number]])
                take = find_take(piece.file, key)
            assert take is not None  # it was just made
            takes[piece.file] = take


def _missing(pieces: Sequence[Piece], again: set[int]) -> list[Piece]:
    """What is to be made, by what is there now: a piece of another one that is missing counts, too."""
    missing: dict[Path, Piece] = {}
    takes: dict[Path, Take] = {}
    for piece in pieces:
        anew = piece.number in again or any(source in missing for source in piece.sources)
        take = None if anew else find_take(piece.file, piece.key(takes))
        if take is None:
            missing[piece.file] = piece
        else:
            takes[piece.file] = take
    return list(missing.values())


def _told(request: FilmRequest, pieces: Sequence[GeneratedVideo]) -> Mapping[int, tuple[str, dict[str, Any]]]:
    """Prompts as the models read them, with what their receipts say of it, by the number of the shot."""
    prompts = [str(piece.request.prompt) for piece in pieces]
    if not prompts or request.rewrite == "off":
        told = [(prompt, {}) for prompt in prompts]
    else:
        told = rewrite_all(prompts, rewriter_of(request))
    return {piece.number: one for piece, one in zip(pieces, told, strict=True)}


def _join(film: Film, host: Host, takes: Mapping[Path, Take]) -> Path:
    """Write the film's file."""
    clip = joined(*film.files(), film.fps)
    about = {**about_film(film, takes), **host.about}
    if film.place.exists() and film.place.stat().st_size:  # an empty one only holds the name
        note(f"{film.place} existed and is replaced")
    return dataclasses.replace(clip, metadata=about).save(film.place)


def _tell_what_is_kept(film: Film, takes: Mapping[Path, Take]) -> None:
    """Say what stays of a film that was not finished, and how to go on from there."""
    if takes:
        names = ", ".join(file.name for file in takes)
        note(f"{len(takes)} of {len(film.pieces)} parts are kept in {film.shots_folder}: {names}")
    left = {piece.number for piece in film.pieces if piece.file not in takes} & set(film.request.shot)
    request = dataclasses.replace(film.request, out=film.place, shot=tuple(sorted(left)))
    note(f"to go on from there: kinora film {shlex.join(to_argv(request))}")
