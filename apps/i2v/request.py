"""Everything a user can set for image-to-video: flags, HTTP body, form and receipt are made from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from apps.i2v.conditioning.images import Fit
from apps.i2v.conditioning.keyframes import Keyframe, gathered, placed
from apps.i2v.conditioning.variants import ConditionType
from foundation.models.geometry import MOST_FRAMES
from foundation.t2v.request import TextToVideoRequest
from shared.config import one_of, setting
from shared.errors import InputError


@dataclass(frozen=True)
class ImageToVideoRequest(TextToVideoRequest):
    """One run of `kinora i2v`.

    Raises:
        InputError: A value out of bounds, or two settings that contradict each other.
    """

    image: Path | None = setting(
        None, "the first frame; a folder of pictures makes a clip of each", metavar="FILE", local=True
    )
    last_image: Path | None = setting(None, "the last frame", metavar="FILE", local=True)
    keyframe: tuple[Keyframe, ...] = setting(
        (),
        "a picture at a frame counted from 0, best a multiple of 4; may be given several times",
        metavar="FRAME=FILE",
        local=True,
    )
    extend: Path | None = setting(
        None, "a clip to continue, from the latents beside it where it has any", metavar="CLIP", local=True
    )
    extensions: int = setting(
        1, "how often the clip is continued, each time by a window of --frames", minimum=1, maximum=100
    )
    keep_latents: bool = setting(
        False, "write the clip's latents beside it, so that it can be continued without any loss", local=True
    )
    loop: bool = setting(False, "the first frame is the last one too")
    fit: Fit = setting("crop", "how a picture of another shape comes to the clip's: cut, or with black bars")
    stability: bool = setting(
        False,
        "a trace of the picture in the noise, for calmer clips; released weights change their shift with it",
    )
    condition_type: ConditionType | None = setting(
        None, "how a transformer's file takes a picture, where nothing tells", unset="what the file tells"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.extend is not None:
            self._check_extension()
            return
        frames = self.frames or MOST_FRAMES
        placed(self.pictures(frames), frames)

    def _check_extension(self) -> None:
        others = {
            "image": self.image, "last_image": self.last_image, "keyframe": self.keyframe, "loop": self.loop,
            "stability": self.stability,
        }  # fmt: skip
        named = [name for name, value in others.items() if value]
        if named:
            raise InputError(f"extend goes on from a clip: leave out {one_of(named)}")

    def pictures(self, frames: int) -> dict[int, Path]:
        """The pictures by the frame that they are asked for at.

        Args:
            frames: of the clip.

        Raises:
            InputError: the pictures contradict each other.
        """
        keyframes = {keyframe.frame: keyframe.file for keyframe in self.keyframe}
        if len(keyframes) < len(self.keyframe):
            asked = [keyframe.frame for keyframe in self.keyframe]
            twice = next(frame for frame in asked if asked.count(frame) > 1)
            raise InputError(f"keyframe {twice} is given twice")
        return gathered(self.image, self.last_image, keyframes, self.loop, frames)
