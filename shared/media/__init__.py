"""Clips and the files they come from and go to. Names load on first use: `--help` needs no FFmpeg."""

from typing import TYPE_CHECKING

from shared.exports import lazily

if TYPE_CHECKING:
    from shared.media.clip import Clip
    from shared.media.naming import Output
    from shared.media.picture import contact_sheet
    from shared.media.reading import read_clip

__all__ = ["Clip", "Output", "contact_sheet", "read_clip"]

__getattr__ = lazily(
    __name__, {"Clip": "clip", "Output": "naming", "contact_sheet": "picture", "read_clip": "reading"}
)
