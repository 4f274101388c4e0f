"""Writes a clip together with its receipt, whole or not at all."""

from __future__ import annotations

from pathlib import Path

from shared.config import one_of
from shared.errors import InputError
from shared.media import picture, video
from shared.media.clip import Clip
from shared.media.files import replacing
from shared.media.naming import SUFFIXES
from shared.provenance import places, receipt
from shared.provenance.streams import stream_hashes


def write_with_receipt(clip: Clip, path: Path) -> Path:
    """Write a clip in the format of the path's suffix, with the receipt inside; see `Clip.save`."""
    suffix = path.suffix.lower()
    if suffix not in ("", *SUFFIXES):
        raise InputError(f"{path} must end in {one_of(SUFFIXES)}, or in nothing for a folder of PNGs")
    if suffix == ".png" and len(clip.frames) > 1:
        raise InputError(
            f"{path} holds one frame and the clip has {len(clip.frames)}: name a folder, or .mp4"
        )
    clip.check_shows_something()
    with replacing(path) as temporary:
        if suffix == "":
            _write_folder(clip, temporary)
        elif suffix == ".png":
            picture.write_png(clip.frames[0], temporary)
            made = receipt.build(clip, stream_hashes(temporary))
            picture.write_png(clip.frames[0], temporary, receipt.canonical(made))
        else:
            _write_film(clip, temporary)
        places.seal(temporary)
    return path


def _write_folder(clip: Clip, folder: Path) -> None:
    picture.write_png_folder(clip.frames, folder)
    made = receipt.build(clip, stream_hashes(folder))
    (folder / places.RECEIPT_FILE).write_text(receipt.canonical(made), encoding="utf-8")


def _write_film(clip: Clip, path: Path) -> None:
    if path.suffix.lower() == ".gif":
        video.encode(clip.frames, clip.fps, path)
        places.insert_in_gif(path, receipt.canonical(receipt.build(clip, stream_hashes(path))))
        return
    # The streams can be hashed only once they are muxed, and the comment must be there before: so it has
    # zeros in place of their hash, as it has for the whole file's.
    draft = receipt.canonical(receipt.build(clip, {"video": receipt.ZEROS}))
    video.encode(clip.frames, clip.fps, path, comment=draft)
    places.replace_text(path, draft, receipt.canonical(receipt.build(clip, stream_hashes(path))))
