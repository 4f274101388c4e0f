"""What a film is made of: its shots, each with its own settings, and what holds for all of them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from apps.film.request import MOST_SHOTS, FilmRequest
from foundation.models.geometry import check_size
from foundation.t2v.request import VideoSettings, check_prompt
from shared.config import Size, check, one_of, setting, settings
from shared.errors import InputError

BEFORE = "before"
"""Stands for the last frame of the shot before, where a first frame is named."""

SILENT, OWN = "none", "keep"
"""Stand for no sound, and for the sound that a clip brings, where words say what is heard."""

SAME = ("steps", "seconds", "frames", "guidance", "cfg", "shift")
"""Settings that film, scene file and shot have in common with the command that makes the picture."""

OF_PICTURE = ("negative_prompt", "seed", *SAME)
"""Settings of a picture that is made."""

_VIDEO = settings(VideoSettings)


def _of_video(name: str) -> Any:
    """A setting of `VideoSettings`, with its help and bounds, left open."""
    return dataclasses.field(default=None, metadata=_VIDEO[name][0].metadata)


@dataclass(frozen=True)
class Rules:
    """What may be said of one shot, and of all of them."""

    negative_prompt: str | None = _of_video("negative_prompt")
    seed: int | None = _of_video("seed")
    steps: int | None = _of_video("steps")
    seconds: float | None = _of_video("seconds")
    frames: int | None = _of_video("frames")
    guidance: float | None = _of_video("guidance")
    cfg: float | None = _of_video("cfg")
    shift: Literal["auto"] | float | None = _of_video("shift")
    sound: str | None = setting(
        None, f"what is heard; {SILENT} for silence, {OWN} for the sound that a clip brings"
    )
    music: bool | None = setting(None, "music may be heard")
    voice: bool | None = setting(None, "somebody may speak")

    def __post_init__(self) -> None:
        check(self)
        if self.sound is not None:
            check_prompt(self.sound, "sound")

    def under(self, closer: Rules) -> dict[str, Any]:
        """Every rule by its name: as `closer` says, else as these do; a length is one rule with two spellings."""
        found = {name: getattr(closer, name) for name in settings(Rules)}
        length = closer.seconds is not None or closer.frames is not None
        for name, value in found.items():
            if value is None and not (length and name in ("seconds", "frames")):
                found[name] = getattr(self, name)
        return found


@dataclass(frozen=True)
class Shot(Rules):
    """One shot: words and perhaps pictures that become a clip, or a clip that is there already.

    Raises:
        InputError: A value out of bounds, or two settings that contradict each other.
    """

    prompt: str | None = setting(None, "what the shot shows")
    first: Path | None = setting(None, f"the first frame: a picture's file, or {BEFORE}: the last one before")
    last: Path | None = setting(None, "the last frame: a picture's file")
    clip: Path | None = setting(None, "a clip that is there already, instead of a prompt")

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.prompt is None) == (self.clip is None):
            raise InputError(
                "give either a prompt or a clip" + (", not both" if self.prompt is not None else "")
            )
        if self.prompt is not None:
            check_prompt(self.prompt)
        if self.last is not None and self.first is None:
            raise InputError("a last frame needs a first frame")
        if self.clip is not None:
            self._check_clip()
        if self.clip is None and self.sound == OWN:
            raise InputError(f"sound {OWN}: a shot of words brings no sound, only a clip does")

    def _check_clip(self) -> None:
        named = [name for name in (*OF_PICTURE, "first") if getattr(self, name) is not None]
        if named:
            raise InputError(f"a clip is there already: leave out {one_of(named)}")

    @property
    def follows(self) -> bool:
        """Whether it begins with the last frame of the shot before."""
        return self.first == Path(BEFORE)


@dataclass(frozen=True)
class Scenes(Rules):
    """The shots of a film in their order, and what holds where a shot says nothing else.

    Raises:
        InputError: No shot, too many, or a first one that goes on from another.
    """

    size: Size | None = setting(None, "pixels of the film, multiples of 16, such as 64x64")
    shots: tuple[Shot, ...] = setting((), "the shots, in their order")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size is not None:
            check_size(self.size)
        if not 1 <= len(self.shots) <= MOST_SHOTS:
            raise InputError(f"shots must be 1 to {MOST_SHOTS}, not {len(self.shots)}")
        if self.shots[0].follows:
            raise InputError(f"shot 1: first is {BEFORE}, and there is no shot before it")


def told_of(request: FilmRequest, scenes: Scenes, shot: Shot) -> dict[str, Any]:
    """What holds for a shot: as it says itself, then the command line, then the scene file."""
    flags = Rules(
        **{name: getattr(request, name) for name in SAME},
        negative_prompt=request.negative_prompt or None,
        music=None if request.music else False,
        voice=None if request.voice else False,
    )
    return Rules(**scenes.under(flags)).under(shot)
