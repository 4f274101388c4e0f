"""Which picture is given at which latent frame.

The VAE codes the first frame alone and every four frames after it together, 1 + 4k. A picture is coded as one frame,
so it takes the place of a whole group: latent frame t > 0 holds frames 4t - 3 to 4t, and a picture there is frame 4t,
as it was in training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

from foundation.models.geometry import FRAME_STRIDE
from shared.config import local_path
from shared.errors import InputError

Picture = TypeVar("Picture")


@dataclass(frozen=True)
class Keyframe:
    """A picture and the frame that it stands at, counted from 0; written `FRAME=FILE`."""

    frame: int
    file: Path

    def __str__(self) -> str:
        return f"{self.frame}={self.file}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `FRAME=FILE`.

        Raises:
            ValueError: it is anything else; the message says what is wanted.
        """
        frame, _, file = text.partition("=")
        if not (frame.isascii() and frame.isdigit() and len(frame) < 10 and file):
            raise ValueError("FRAME=FILE with a frame counted from 0, such as 8=cat.png")
        return cls(int(frame), local_path(file))


def latent_frame(frame: int) -> int:
    """The latent frame that a frame belongs to."""
    return -(-frame // FRAME_STRIDE)


def gathered(
    image: Picture | None, last: Picture | None, keyframes: Mapping[int, Picture], loop: bool, frames: int
) -> dict[int, Picture]:
    """All pictures of a clip by the frame that they are asked for at.

    Args:
        image: the first frame.
        last: the last frame.
        keyframes: others, by frame.
        loop: the first frame is the last one too.
        frames: of the clip.

    Raises:
        InputError: no picture, an end without a beginning, two for one frame, or a clip that is one frame.
    """
    if image is None and (loop or last is not None):
        raise InputError(f"{'loop' if loop else 'a last image'} needs a first image")
    if image is None and not keyframes:
        raise InputError("a picture is missing: give an image or a keyframe")
    if loop and last is not None:
        raise InputError("give a last image or loop, not both: a loop ends where it began")
    if frames <= FRAME_STRIDE:
        raise InputError(
            f"frames must be {FRAME_STRIDE + 1} or more, not {frames}: a picture is there already"
        )
    given = dict(keyframes)
    for frame, picture in ((0, image), (frames - 1, image if loop else last)):
        if picture is None:
            continue
        if frame in given:
            raise InputError(f"two pictures are given for frame {frame}")
        given[frame] = picture
    return given


def placed(given: Mapping[int, Picture], frames: int) -> tuple[dict[int, Picture], list[str]]:
    """Pictures by frame become pictures by latent frame.

    Args:
        given: frame, counted from 0 -> picture.
        frames: of the clip, 4k + 1.

    Returns:
        Latent frame -> picture, rising, and a line about each picture that does not stand where it was asked for.

    Raises:
        InputError: a frame beyond the clip, or two in one latent frame.
    """
    found: dict[int, Picture] = {}
    asked: dict[int, int] = {}
    notes = []
    for frame, picture in sorted(given.items()):
        if not 0 <= frame < frames:
            raise InputError(f"keyframe {frame} is beyond the clip; its frames are 0 to {frames - 1}")
        at = latent_frame(frame)
        first, last = max(FRAME_STRIDE * (at - 1) + 1, 0), FRAME_STRIDE * at
        if at in found:
            raise InputError(
                f"keyframes {asked[at]} and {frame} fall together: frames {first} to {last} are coded as one, and "
                "take one picture"
            )
        if frame != last:
            notes.append(
                f"keyframe {frame} becomes frame {last}: frames {first} to {last} are coded as one, and a picture "
                "stands at their end"
            )
        found[at], asked[at] = picture, frame
    return found, notes
