"""Everything a user can set for a film: flags, HTTP body, form and receipt are made from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from apps.film.rewriting import Rewriting
from apps.v2a.request import LOUDEST, QUIETEST
from foundation.t2v.request import PROMPT_LIMIT, VideoSettings, check_prompt
from shared.config import one_of, setting
from shared.errors import InputError

MOST_SHOTS = 64


@dataclass(frozen=True)
class FilmRequest(VideoSettings, Rewriting):
    """One run of `kinora film`: a sentence, or a scene file's shots, become one film with its sound.

    What is set here holds for every shot that says nothing else; fields left at None are decided by the scene file,
    then by the model folder.

    Raises:
        InputError: A value out of bounds, or two settings that contradict each other.
    """

    prompt: str | None = setting(None, "what the film shows, in one shot")
    scenes: Path | None = setting(
        None, "a scene file with several shots, instead of --prompt", metavar="FILE.yaml", local=True
    )
    shot: tuple[int, ...] = setting(
        (), "make this shot of the scene file again, counted from 1; may be given several times",
        metavar="N", local=True,
    )  # fmt: skip
    image: Path | None = setting(None, "the first frame, instead of words alone", metavar="FILE", local=True)
    last_image: Path | None = setting(None, "the last frame", metavar="FILE", local=True)
    image_model: str | None = setting(None, "model of shots that begin with a picture", unset="--model")
    sound: Literal["auto", "on", "off"] = setting(
        "auto", "give the film a sound; auto: where there are weights for it"
    )
    sound_prompt: str = setting("", "what is heard; what is seen is enough")
    music: bool = setting(True, "music may be heard; --no-music asks for none")
    voice: bool = setting(True, "somebody may speak; --no-voice asks for nobody")
    loudness: float = setting(-16.0, "LUFS of the sound, by ITU-R BS.1770", minimum=QUIETEST, maximum=LOUDEST)
    sound_model: str = setting(
        "starter", "a name of `kinora models list`, or a folder of video-to-audio weights"
    )
    out: Path | None = setting(
        None, "a file (.mp4 .mkv) or a folder; the shots lie in a folder of the file's name beside it",
        unset="outputs/", local=True,
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.prompt is None) == (self.scenes is None):
            raise InputError(
                "give either a prompt or scenes" + (", not both" if self.prompt is not None else "")
            )
        if self.prompt is not None:
            check_prompt(self.prompt)
            if self.shot:
                raise InputError("shot is about a scene file: give scenes, or leave it out")
        else:
            self._check_left_to_scenes()
        for number in self.shot:
            if not 1 <= number <= MOST_SHOTS:
                raise InputError(f"shot must be 1 to {MOST_SHOTS}, not {number}")
        if self.last_image is not None and self.image is None:
            raise InputError("a last image needs a first image")
        if len(self.sound_prompt) > PROMPT_LIMIT:
            check_prompt(self.sound_prompt, "sound_prompt")
        if self.sound == "off" and self.sound_prompt:
            raise InputError("sound off leaves nothing to hear: leave out sound_prompt")

    def _check_left_to_scenes(self) -> None:
        named = [name for name in ("image", "last_image", "sound_prompt") if getattr(self, name)]
        if named:
            raise InputError(f"the scene file says {one_of(named)}, shot by shot: leave it out")
