"""The pieces of a film: video and audio of each shot, generated, imported, or kept."""

from __future__ import annotations

import dataclasses
import math
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from apps.film.shot_cache import Take, asked_of, key_of
from apps.i2v.conditioning.images import fitted
from apps.i2v.request import ImageToVideoRequest
from apps.v2a.model.layout import EARLY
from apps.v2a.request import VideoToAudioRequest
from foundation.rerun.inputs import describe_inputs
from foundation.runtime.host import Host
from foundation.t2v.cli import RANDOM_SEEDS
from foundation.t2v.request import TextToVideoRequest
from shared.config import Size
from shared.console import note
from shared.media.film import look_through, picked
from shared.media.sound import Sound, read_sound
from shared.results.clip import Clip

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.config import Size


Takes = Mapping[Path, Take]
"""The pieces that are there: their files and receipts."""

Prepare = Callable[[list[str]], list[tuple[str, dict[str, Any]]]]
"""Gives prompts as the model shall read them, with what else their receipts say."""


class Piece(Protocol):
    """A file of a film.

    Attributes:
        number: of the shot that it belongs to, from 1.
        what: for people: `picture` or `sound`.
        file: where it is, or is to be.
        sources: files of other pieces that it is made from.
        steps: that making it takes.
    """

    @property
    def number(self) -> int: ...
    @property
    def what(self) -> str: ...
    @property
    def file(self) -> Path: ...
    @property
    def sources(self) -> tuple[Path, ...]: ...
    @property
    def steps(self) -> int: ...

    def key(self, takes: Takes) -> str:
        """What decides about it, in one hash; its sources are among the takes."""
        ...

    def make(self, host: Host, takes: Takes, prepare: Prepare) -> None:
        """Make the file, with what the host has to say in its receipt."""
        ...


@dataclass(frozen=True)
class GeneratedVideo:
    """A picture that a model makes, of words alone or of pictures too.

    Attributes:
        request: what makes it; its seed may be open.
        weights: of the model.
        before: the picture whose last frame it begins with.
        rewriting: who rewrites its prompt; empty for nobody.
    """

    number: int
    file: Path
    steps: int
    request: TextToVideoRequest
    weights: Mapping[str, Path]
    before: Path | None = None
    rewriting: Mapping[str, Any] = field(default_factory=dict)
    what = "picture"

    @property
    def sources(self) -> tuple[Path, ...]:
        """See `Piece`."""
        return () if self.before is None else (self.before,)

    def key(self, takes: Takes) -> str:
        """See `Piece`."""
        pictures: dict[str, Path | None] = {}
        if isinstance(self.request, ImageToVideoRequest):
            first = None if self.before else self.request.image
            pictures = {"first": first, "last": self.request.last_image}
        before = [takes[source]["raw_frames_sha256"] for source in self.sources]
        more = {"before": before, "rewriting": dict(self.rewriting)}
        return key_of(asked_of(self.request), {**self.weights, **pictures}, **more)

    def make(self, host: Host, takes: Takes, prepare: Prepare) -> None:
        """See `Piece`."""
        seed = self.request.seed
        if seed is None:
            seed = secrets.randbelow(RANDOM_SEEDS)
            note(f"shot {self.number}: seed {seed} was drawn; seed: {seed} makes the same again")
        request = dataclasses.replace(self.request, seed=seed)
        if isinstance(request, ImageToVideoRequest):
            from apps.i2v.cli import make

            if self.before is not None:
                write_last_frame(self.before)
            make(request, prepare, host)
        else:
            from foundation.t2v.cli import make

            make(request, prepare, host)


@dataclass(frozen=True)
class ImportedVideo:
    """A picture that is a clip already, brought to the film's size and rate."""

    number: int
    file: Path
    clip: Path
    size: Size
    fps: float
    what = "picture"
    sources = ()
    steps = 0

    def key(self, takes: Takes) -> str:
        """See `Piece`."""
        return key_of({"size": str(self.size), "fps": self.fps}, {"clip": self.clip})

    def make(self, host: Host, takes: Takes, prepare: Prepare) -> None:
        """See `Piece`."""
        shot = import_clip(self.clip, self.size, self.fps, note)
        about = {"inputs": describe_inputs({"clip": self.clip}), **host.about}
        dataclasses.replace(shot, metadata=about).save(self.file)


@dataclass(frozen=True)
class GeneratedAudio:
    """A sound that a model makes for a shot's picture; it takes its seed from there."""

    number: int
    file: Path
    steps: int
    request: VideoToAudioRequest
    weights: Mapping[str, Path]
    picture: Path
    what = "sound"

    @property
    def sources(self) -> tuple[Path, ...]:
        """See `Piece`."""
        return (self.picture,)

    def key(self, takes: Takes) -> str:
        """See `Piece`."""
        picture = takes[self.picture]
        more = {"picture": picture["raw_frames_sha256"], "seed": picture.get("seed", 0)}
        return key_of(asked_of(self.request), self.weights, **more)

    def make(self, host: Host, takes: Takes, prepare: Prepare) -> None:
        """See `Piece`."""
        from apps.v2a.cli import make

        make(dataclasses.replace(self.request, seed=takes[self.picture].get("seed", 0)), host)


@dataclass(frozen=True)
class OriginalAudio:
    """The sound that a clip brings."""

    number: int
    file: Path
    clip: Path
    what = "sound"
    sources = ()
    steps = 0

    def key(self, takes: Takes) -> str:
        """See `Piece`."""
        return key_of({}, {"clip": self.clip})

    def make(self, host: Host, takes: Takes, prepare: Prepare) -> None:
        """See `Piece`."""
        from shared.results.soundtrack import Soundtrack

        sound = own_sound(self.clip)
        assert sound is not None  # as it was when the film was planned
        about = {"inputs": describe_inputs({"clip": self.clip}), **host.about}
        Soundtrack(sound, metadata=about).save(self.file)


def last_frame_of(picture: Path) -> Path:
    """Where the last frame of a shot's picture lies, for a shot that goes on from it."""
    return picture.with_name(f"{picture.stem}-last.png")


def write_last_frame(picture: Path) -> Path:
    """Write the last frame of a shot's picture, and say where."""
    from shared.media.files import replacing
    from shared.media.film import last_frame
    from shared.media.picture import write_png

    path = last_frame_of(picture)
    with replacing(path) as temporary:
        write_png(last_frame(picture), temporary)
    return path


def import_clip(path: Path, size: Size, fps: float, note: Callable[[str], None] | None = None) -> Clip:
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
