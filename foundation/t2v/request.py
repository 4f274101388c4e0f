"""Everything a user can set for text-to-video: flags, HTTP body, form and receipt are made from it."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from foundation.checkpoints.defaults import ModelDefaults
from foundation.checkpoints.lora.source import Lora
from foundation.models.geometry import (
    LONGEST_SECONDS,
    MOST_FRAMES,
    check_frames,
    check_size,
    frames_for,
)
from foundation.runtime.settings import RuntimeSettings
from shared.config import Size, setting, shorten, text_lines
from shared.errors import InputError

PROMPT_LIMIT = 4000
"""Characters of a prompt; the text encoder of the real weights reads 256 tokens of it."""

LARGEST_SEED = 2**63 - 1


@dataclass(frozen=True)
class VideoSettings(RuntimeSettings):
    """What every command that makes clips lets people set about a clip and its model.

    Fields left at None are decided by the model folder (see `resolve`), the rest is checked on construction.

    Raises:
        InputError: A value out of bounds, or two settings that contradict each other.
    """

    negative_prompt: str = setting("", "what the clip shall not show; works through cfg")
    steps: int | None = setting(
        None, "denoising steps", minimum=1, maximum=1000, unset="the model folder's", metavar="N"
    )
    seed: int | None = setting(
        None, "the noise; the same seed gives the same clip", minimum=0, maximum=LARGEST_SEED, unset="random"
    )
    size: Size | None = setting(
        None,
        "pixels, multiples of 16, such as 64x64; or 540p or 720p, with a shape as in 720p-9:16",
        unset="the model folder's",
    )
    seconds: float | None = setting(
        None,
        "length; becomes the nearest 4k + 1 frames",
        maximum=LONGEST_SECONDS,
        minimum=0,
        unset="see frames",
    )
    frames: int | None = setting(
        None,
        "length as 4k + 1 frames; 1 makes a picture",
        minimum=1,
        maximum=MOST_FRAMES,
        unset="the model folder's",
    )
    guidance: float | None = setting(
        None,
        "embedded guidance, for weights that have it",
        minimum=0,
        maximum=100,
        unset="the model folder's",
    )
    cfg: float | None = setting(
        None, "classifier-free guidance; 1 turns it off", minimum=0, maximum=100, unset="the model folder's"
    )
    shift: Literal["auto"] | float | None = setting(
        None, "flow shift; auto is the paper's rule", minimum=0.01, maximum=100, unset="the model folder's"
    )
    model: str = setting(
        "starter", "a name of `kinora models list`, a model folder, or a transformer's .safetensors or .pt"
    )
    base: str | None = setting(
        None,
        "the rest of a model of which --model is the transformer alone",
        unset="hunyuanvideo",
        local=True,
    )
    vae: str | None = setting(
        None, "a VAE's file or folder instead of the model's own", unset="the model's", local=True
    )
    text_encoder: str | None = setting(
        None,
        "a language model's .safetensors file or folder instead of the model's own, of the same architecture",
        unset="the model's",
        local=True,
    )
    text_encoder_2: str | None = setting(
        None, "the same for the CLIP text encoder", unset="the model's", local=True
    )
    lora: tuple[Lora, ...] = setting(
        (), "a LoRA on top of the model; may be given several times", metavar="FILE[:SCALE]", local=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.negative_prompt) > PROMPT_LIMIT:
            check_prompt(self.negative_prompt, "negative_prompt")
        if self.seconds is not None and self.frames is not None:
            raise InputError(
                f"give seconds or frames, not both (seconds {self.seconds:g}, frames {self.frames})"
            )
        if self.seconds is not None and self.seconds <= 0:
            raise InputError(f"seconds must be above 0 and at most {LONGEST_SECONDS}, not {self.seconds:g}")
        if self.frames is not None:
            check_frames(self.frames)
        if self.size is not None:
            check_size(self.size)
        if not self.model.strip():
            raise InputError("model must be a name or a folder, not empty")

    def own_parts(self) -> dict[str, str]:
        """Files and folders that stand in the place of the model's parts, by the part's name."""
        told = {name: getattr(self, name) for name in ("vae", "text_encoder", "text_encoder_2")}
        return {name: value for name, value in told.items() if value is not None}


@dataclass(frozen=True)
class TextToVideoRequest(VideoSettings):
    """One run of `kinora t2v`.

    Raises:
        InputError: A value out of bounds, or two settings that contradict each other.
    """

    prompt: str | None = setting(None, "what the clip shows")
    prompts: Path | None = setting(
        None, "a text file with one prompt per line, instead of --prompt", metavar="FILE", local=True
    )
    count: int = setting(1, "clips per prompt, with seeds counted up", minimum=1, maximum=1000)
    out: Path | None = setting(
        None, "a file (.mp4 .mkv .gif .png) or a folder; files in a folder are named and never replaced",
        unset="outputs/", local=True,
    )  # fmt: skip
    format: Literal["mp4", "mkv", "gif", "png"] | None = setting(
        None, "mkv is lossless, png a folder of frames", unset="mp4, png for one frame"
    )
    contact_sheet: bool = setting(False, "also write a PNG with frames of the clip side by side")

    def __post_init__(self) -> None:
        if (self.prompt is None) == (self.prompts is None):
            raise InputError(
                "give either prompt or prompts" + (", not both" if self.prompt is not None else "")
            )
        super().__post_init__()
        if self.prompt is not None:
            check_prompt(self.prompt)
        if self.seed is not None and self.seed + self.count - 1 > LARGEST_SEED:
            raise InputError(
                f"seed {self.seed} leaves no room for {self.count} clips: at most {LARGEST_SEED}"
            )


Asked = TypeVar("Asked", bound=VideoSettings)


def check_prompt(prompt: str, name: str = "prompt") -> None:
    """Refuse an empty prompt and one that no text encoder could read whole.

    Raises:
        InputError: The prompt is blank or longer than `PROMPT_LIMIT` characters.
    """
    if not prompt.strip():
        raise InputError(f"{name} is empty: say what the clip shows")
    if len(prompt) > PROMPT_LIMIT:
        words = len(prompt.split())
        raise InputError(
            f"{name} has {len(prompt)} characters ({words} words), at most {PROMPT_LIMIT} are read: "
            f"{shorten(prompt, 40)}"
        )


def resolve(request: Asked, defaults: ModelDefaults) -> tuple[Asked, list[str]]:
    """Fill what the user left open with what the model folder says.

    Args:
        request: As the user gave it.
        defaults: Of the model folder.

    Returns:
        The request with size, frames, steps, shift, cfg and guidance set and `seconds` turned into frames,
        and the lines that say aloud what was adjusted.

    Raises:
        InputError: `seconds` at the model's frame rate is more frames than a clip may have.
    """
    notes = []
    frames = request.frames or defaults.frames
    if request.seconds is not None:
        frames = frames_for(request.seconds, defaults.fps)
        if not math.isclose(frames, request.seconds * defaults.fps):
            notes.append(
                f"{request.seconds:g} seconds become {frames} frames at {defaults.fps:g} fps "
                f"({frames / defaults.fps:.4g} seconds): frames come as 4k + 1"
            )
    if frames > MOST_FRAMES:
        raise InputError(
            f"{request.seconds:g} seconds are {frames} frames at {defaults.fps:g} fps, at most {MOST_FRAMES}"
        )
    if defaults.trained is not None:
        notes += defaults.trained.warnings(request.size or defaults.size, frames)
    filled = {
        name: getattr(request, name) if getattr(request, name) is not None else getattr(defaults, name)
        for name in ("size", "steps", "shift", "cfg", "guidance")
    }
    return dataclasses.replace(request, seconds=None, frames=frames, **filled), notes


def read_prompts(request: TextToVideoRequest) -> list[str]:
    """The prompts of a request: its own, or one per line of its file, blank lines left out.

    Raises:
        InputError: The file cannot be read, is not text, or a prompt is missing or refused.
    """
    if request.prompt is not None:
        return [request.prompt]
    assert request.prompts is not None  # __post_init__ holds one of the two
    lines = prompt_lines(request.prompts, "prompts")
    for number, line in lines:
        check_prompt(line, f"prompts: line {number} of {request.prompts}")
    return [line for _, line in lines]


def prompt_lines(path: Path, name: str) -> list[tuple[int, str]]:
    """The lines of a file of prompts that are not blank, with their numbers.

    Raises:
        InputError: The file cannot be read, is not text, or holds no prompt; `name` is the setting's.
    """
    try:
        lines = text_lines(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise InputError(f"{name}: {path} is not text in UTF-8") from None
    except OSError as error:
        raise InputError(f"{name}: {path} cannot be read: {error.strerror or error}") from None
    prompts = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    if not prompts:
        raise InputError(f"{name}: {path} holds no prompt: one per line is wanted")
    return prompts
