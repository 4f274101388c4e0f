"""From a file back to a clip."""

from __future__ import annotations

from pathlib import Path

from shared.errors import InputError
from shared.results.clip import Clip


def read_clip(path: str | Path, fps: float | None = None) -> Clip:
    """Read a film, a picture, or a folder of pictures.

    Args:
        path: Anything that `Clip.save` writes, or another program's file of such a kind.
        fps: The rate of pictures without a receipt; a receipt or a film's own rate comes first.

    Returns:
        The clip; `metadata` is the receipt, empty where there is none.

    Raises:
        InputError: The file is missing, damaged or of another kind, or nothing tells the rate.
    """
    from shared.media import picture, video
    from shared.receipts import find_receipt

    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist")
    if path.is_dir():
        frames, known = picture.read_png_folder(path), fps
    elif path.suffix.lower() in video.DEMUXERS:
        frames, known = video.decode(path)
    else:
        frames, known = picture.read_png(path)[None], fps or 1.0
    receipt = find_receipt(path) or {}
    known = receipt.get("picture", {}).get("fps", known)
    if known is None:
        raise InputError(f"{path} has no receipt that tells its frame rate: give fps")
    return Clip(frames, known, receipt)
