"""Video, image and audio files: read, written, muxed, named. Names load on first use: `--help` needs no FFmpeg."""

from typing import TYPE_CHECKING

from shared.imports import lazily

if TYPE_CHECKING:
    from shared.media.naming import Output
    from shared.media.picture import contact_sheet
    from shared.media.sound import Sound, read_sound, write_wav

__all__ = ["Output", "Sound", "contact_sheet", "read_sound", "write_wav"]

__getattr__ = lazily(
    __name__,
    {
        "Output": "naming",
        "Sound": "sound",
        "contact_sheet": "picture",
        "read_sound": "sound",
        "write_wav": "sound",
    },
)
