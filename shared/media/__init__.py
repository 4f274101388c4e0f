"""Clips and the files they come from and go to. Names load on first use: `--help` needs no FFmpeg."""

from typing import TYPE_CHECKING

from shared.exports import lazily

if TYPE_CHECKING:
    from shared.media.clip import Clip
    from shared.media.naming import Output
    from shared.media.picture import contact_sheet
    from shared.media.reading import read_clip
    from shared.media.sound import Sound, read_sound, write_wav

__all__ = ["Clip", "Output", "Sound", "contact_sheet", "read_clip", "read_sound", "write_wav"]

__getattr__ = lazily(
    __name__,
    {
        "Clip": "clip",
        "Output": "naming",
        "Sound": "sound",
        "contact_sheet": "picture",
        "read_clip": "reading",
        "read_sound": "sound",
        "write_wav": "sound",
    },
)
