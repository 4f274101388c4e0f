"""Moving previews of films that no browser plays: small animated WebPs, made when somebody looks, and kept."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import numpy as np
from PIL import Image

from shared.errors import InputError
from shared.media.files import replacing
from shared.media.film import look_through, picked
from shared.media.limited import check_medium

UNPLAYED = (".mkv",)
"""Suffixes of results that browsers do not play."""

PREVIEWS = "previews"
"""The folder of previews, in the private one of the output folder."""

MOST_FRAMES, LONGEST_SIDE = 48, 320
"""Of a preview."""

_ONE_AT_A_TIME = threading.Lock()


def moving_preview(film: Path, room: Path) -> Path:
    """The preview of a film, as animated WebP; one that was made of this version of the file is taken as it is.

    Args:
        film: a file whose suffix is among `UNPLAYED`.
        room: a folder for previews.

    Raises:
        InputError: the film is of another kind, damaged, or too large.
        ResourceError: the disk is full.
    """
    if film.suffix.lower() not in UNPLAYED:
        raise InputError(f"{film.name} has no preview: browsers show it as it is")
    path = preview_path(film, room)
    with _ONE_AT_A_TIME:
        if not path.is_file():
            _write(film, path)
    return path


def preview_path(film: Path, room: Path) -> Path:
    """Where the preview of this version of a film is kept."""
    stat = film.stat()
    version = hashlib.sha256(f"{film}\n{stat.st_mtime_ns}\n{stat.st_size}".encode()).hexdigest()
    return room / f"{version[:32]}.webp"


def _write(film: Path, path: Path) -> None:
    check_medium(film)
    about = look_through(film)
    total = len(about.times)
    chosen = np.linspace(0, total - 1, min(total, MOST_FRAMES)).round().astype(int)
    small = [_small(Image.fromarray(frame)) for frame in picked(film, chosen.tolist())]
    step = float(about.times[-1]) / max(len(small) - 1, 1)
    with replacing(path) as temporary:
        small[0].save(
            temporary,
            "WEBP",
            save_all=True,
            append_images=small[1:],
            duration=max(round(1000 * step), 1),
            loop=0,
            quality=80,
        )


def _small(frame: Image.Image) -> Image.Image:
    frame.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    return frame
