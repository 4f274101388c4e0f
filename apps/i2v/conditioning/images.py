"""From a user's picture to one of the model's sizes. What changes is said aloud."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from foundation.data.folder.buckets import sizes
from foundation.models.geometry import SIZE_MULTIPLE
from shared.config import Size
from shared.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]

Note = Callable[[str], None]
Fit = Literal["crop", "pad"]

LARGEST_RATIO = 4.0
"""Longer pictures lose most of themselves in any clip (the released model's own limit)."""

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def read_picture(path: Path, note: Note | None = None) -> Picture:
    """A picture of any kind, upright, as (H, W, 3) uint8.

    Args:
        path: PNG, JPEG, WebP or another still format.
        note: told what was lost on the way to 8-bit RGB.

    Raises:
        InputError: the file is missing, damaged, no still picture, or of a shape that no clip has.
    """
    from shared.media.limited import check_medium
    from shared.media.picture import read_png  # brings Pillow and numpy, which `--help` shall not wait for

    if not path.is_file():
        raise InputError(f"{path} is {'a folder' if path.is_dir() else 'missing'}; a picture is wanted")
    check_medium(path)
    picture = read_png(path, note)
    check_shape(picture, str(path))
    return picture


def check_shape(picture: Picture, name: str) -> None:
    """Refuse what can hardly be seen in a clip.

    Raises:
        InputError: a side under 16 pixels, or one over four times the other.
    """
    height, width = picture.shape[:2]
    if min(height, width) < SIZE_MULTIPLE:
        raise InputError(f"{name} is {width}x{height}; both sides must have {SIZE_MULTIPLE} pixels or more")
    ratio = max(height, width) / min(height, width)
    if ratio > LARGEST_RATIO:
        raise InputError(
            f"{name} is {width}x{height}, one side {ratio:.0f} times the other; at most {LARGEST_RATIO:g} times "
            "fits a clip: cut it first"
        )


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder in the order of their names; subfolders are left out.

    Raises:
        InputError: there are none.
    """
    found = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
    if not found:
        raise InputError(f"{folder} holds no pictures: {', '.join(SUFFIXES)} are read")
    return found


def nearest_size(picture: Picture, area: Size) -> Size:
    """The size of about an area whose aspect ratio is nearest to the picture's; sides are multiples of 16."""
    height, width = picture.shape[:2]
    ratio = math.log(width / height)
    return min(sizes(area), key=lambda size: abs(math.log(size.width / size.height) - ratio))


def fitted(
    picture: Picture, size: Size, fit: Fit = "crop", name: str = "", note: Note | None = None
) -> Picture:
    """A picture in a clip's size.

    Args:
        picture: (H, W, 3) uint8.
        size: of the clip.
        fit: `crop` resizes until the size is covered and keeps the middle; `pad` adds black bars instead.
        name: for the note.
        note: told what was done, where anything was.
    """
    from shared.media.picture import contained, covering

    height, width = picture.shape[:2]
    if (width, height) == tuple(size):
        return picture
    if note is not None:
        same = math.isclose(width / height, size.width / size.height)
        bars = {"crop": " and cut around the middle", "pad": " with black bars"}[fit]
        note(f"{name or 'picture'}: {width}x{height} is resized to {size}{'' if same else bars}")
    return (covering if fit == "crop" else contained)(picture, size.height, size.width)
