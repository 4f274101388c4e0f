"""Everything a user can set for video-to-audio: flags, HTTP body, form and receipt are made from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from foundation.checkpoints.lora.source import Lora
from foundation.t2v.request import LARGEST_SEED, PROMPT_LIMIT, check_prompt
from shared.config import check, setting
from shared.errors import InputError

LONGEST_SECONDS = 600
"""Of a clip that is given a sound, and of a sound without one."""

QUIETEST, LOUDEST = -60.0, 0.0
"""LUFS."""


@dataclass(frozen=True)
class VideoToAudioRequest:
    """One run of `kinora v2a`.

    Fields left at None are decided by the model folder, the rest is checked on construction.

    Raises:
        InputError: A value out of bounds, or two settings that contradict each other.
    """

    video: Path | None = setting(None, "the video to generate audio for", metavar="CLIP", local=True)
    prompt: str = setting("", "what is heard; a clip may go without")
    negative_prompt: str = setting("", "what shall not be heard; works through cfg")
    music: bool = setting(True, "music may be heard; --no-music asks for none")
    voice: bool = setting(True, "somebody may speak; --no-voice asks for nobody")
    seconds: float | None = setting(
        None,
        "length of a sound without a clip",
        minimum=0.1,
        maximum=LONGEST_SECONDS,
        unset="the model's own",
    )
    mix: Literal["replace", "mix", "keep"] = setting(
        "replace", "what becomes of the clip's own sound: gone, mixed with the new one, or a track before it"
    )
    loudness: float = setting(-16.0, "LUFS of the sound, by ITU-R BS.1770", minimum=QUIETEST, maximum=LOUDEST)
    wav: bool = setting(False, "also write the sound as it is before it is coded", local=True)
    contact_sheet: bool = setting(
        False, "also write a PNG with frames of the clip above the sound's spectrogram"
    )
    steps: int | None = setting(
        None, "denoising steps", minimum=1, maximum=1000, unset="the model folder's", metavar="N"
    )
    seed: int | None = setting(
        None, "the noise; the same seed gives the same sound", minimum=0, maximum=LARGEST_SEED, unset="random"
    )
    count: int = setting(1, "sounds, with seeds counted up", minimum=1, maximum=1000)
    cfg: float | None = setting(
        None, "classifier-free guidance; 1 turns it off", minimum=0, maximum=100, unset="the model folder's"
    )
    shift: float | None = setting(None, "flow shift", minimum=0.01, maximum=100, unset="the model folder's")
    model: str = setting("starter", "a name of `kinora models list`, or a folder of video-to-audio weights")
    lora: tuple[Lora, ...] = setting(
        (), "a LoRA on top of the model; may be given several times", metavar="FILE[:SCALE]", local=True
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = setting("auto", "where to run")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = setting(
        "auto", "precision of the transformer; auto is bfloat16 on a GPU, else float32"
    )
    out: Path | None = setting(
        None, "a file (.mp4 .mkv, .wav for the sound alone) or a folder; files in a folder are never replaced",
        unset="outputs/", local=True,
    )  # fmt: skip

    def __post_init__(self) -> None:
        check(self)
        if self.video is None and not self.prompt.strip():
            raise InputError("give a clip, or a prompt that says what is heard")
        if self.video is not None and self.seconds is not None:
            raise InputError("seconds: a sound is as long as its clip, leave it out")
        if self.video is None and self.mix != "replace":
            raise InputError(f"mix {self.mix} is about a clip's own sound: give a clip")
        if self.prompt:
            check_prompt(self.prompt)
        if len(self.negative_prompt) > PROMPT_LIMIT:
            check_prompt(self.negative_prompt, "negative_prompt")
        if self.seed is not None and self.seed + self.count - 1 > LARGEST_SEED:
            raise InputError(
                f"seed {self.seed} leaves no room for {self.count} sounds: at most {LARGEST_SEED}"
            )
        if not self.model.strip():
            raise InputError("model must be a name or a folder, not empty")
