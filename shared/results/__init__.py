"""What a run makes: clips, films and soundtracks, written with a receipt and read back. Names load on first use."""

from typing import TYPE_CHECKING

from shared.imports import lazily

if TYPE_CHECKING:
    from shared.results.clip import Clip, LongClip
    from shared.results.reading import read_clip
    from shared.results.soundtrack import Soundtrack
    from shared.results.writing import write_with_receipt

__all__ = ["Clip", "LongClip", "Soundtrack", "read_clip", "write_with_receipt"]

__getattr__ = lazily(
    __name__,
    {
        "Clip": "clip",
        "LongClip": "clip",
        "Soundtrack": "soundtrack",
        "read_clip": "reading",
        "write_with_receipt": "writing",
    },
)
