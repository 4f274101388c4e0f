"""What a receipt remembers of the picture and of the sound, so that `verify` can tell what changed."""

from __future__ import annotations

from pathlib import Path

from shared.media import picture, video
from shared.media.sound import SOUND_DEMUXERS

DEMUXERS = video.DEMUXERS | SOUND_DEMUXERS
"""What may carry a receipt in its comment."""


def stream_hashes(path: Path) -> dict[str, str]:
    """The sha256 of each kind of stream in a file or a folder, `video` and `audio`, the receipt left out.

    Raises:
        InputError: The file is too damaged to be taken apart.
    """
    if path.is_dir():
        return {"video": picture.png_sha256(picture.png_files(path))}
    if path.suffix.lower() == ".gif":
        # A GIF's packets carry the comment too; its pixels come back as they were encoded.
        return {"video": picture.pixels_sha256(video.decode(path)[0])}
    if path.suffix.lower() in DEMUXERS:
        return video.packet_hashes(path, DEMUXERS)
    return {"video": picture.png_sha256([path])}
