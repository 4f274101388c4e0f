"""Writes a clip together with its receipt, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from shared.config import one_of
from shared.errors import InputError
from shared.media import picture, video
from shared.media.files import replacing
from shared.media.muxing import write_film
from shared.media.naming import SUFFIXES
from shared.media.sound import Sound, write_wav
from shared.receipts import location, receipt
from shared.receipts.streams import stream_hashes
from shared.results import soundtrack
from shared.results.clip import Clip, LongClip
from shared.results.soundtrack import Soundtrack

SOUNDING = (".mp4", ".mkv")
"""Films that hold a sound beside the picture."""


def write_with_receipt(made: Clip | LongClip | Soundtrack, path: Path) -> Path:
    """Write a clip or a sound in the format of the path's suffix, with the receipt inside; see their `save`."""
    return _write_soundtrack(made, path) if isinstance(made, Soundtrack) else _write_clip(made, path)


def _write_soundtrack(track: Soundtrack, path: Path) -> Path:
    suffix = path.suffix.lower()
    if suffix not in soundtrack.SUFFIXES:
        raise InputError(f"{path} must end in {one_of(soundtrack.SUFFIXES)}")
    if suffix != ".wav" and track.film is None:
        raise InputError(f"{path} is a film's name, and the sound is made for none: name a .wav file")
    sound = track.written or track.sound

    def write(file: Path, comment: str) -> None:
        if suffix == ".wav" or track.film is None:
            write_wav(sound, file, comment)
        else:
            write_film(track.film, sound, file, track.keep, comment)

    with replacing(path) as temporary:
        _with_comment(track, temporary, write, ("audio",) if suffix == ".wav" else ("audio", "video"))
        location.seal(temporary)
    return path


def _write_clip(clip: Clip | LongClip, path: Path) -> Path:
    suffix = path.suffix.lower()
    if suffix not in ("", *SUFFIXES):
        raise InputError(f"{path} must end in {one_of(SUFFIXES)}, or in nothing for a folder of PNGs")
    if suffix == ".png" and len(clip.frames) > 1:
        raise InputError(
            f"{path} holds one frame and the clip has {len(clip.frames)}: name a folder, or .mp4"
        )
    if clip.sound is not None and suffix not in SOUNDING:
        raise InputError(f"{path} holds no sound, and the clip has one: {one_of(SOUNDING)} do")
    if isinstance(clip, Clip):
        clip.check_shows_something()
    with replacing(path) as temporary:
        if suffix == "":
            _write_folder(clip, temporary)
        elif suffix == ".png":
            frame = next(iter(clip.frames))
            picture.write_png(frame, temporary)
            made = build(clip, stream_hashes(temporary))
            picture.write_png(frame, temporary, receipt.canonical(made))
        else:
            _write_film(clip, temporary)
        location.seal(temporary)
    return path


def _write_folder(clip: Clip | LongClip, folder: Path) -> None:
    picture.write_png_folder(clip.frames, folder)
    made = build(clip, stream_hashes(folder))
    (folder / location.RECEIPT_FILE).write_text(receipt.canonical(made), encoding="utf-8")


def _write_film(clip: Clip | LongClip, path: Path) -> None:
    if path.suffix.lower() == ".gif":
        video.encode(clip.frames, clip.fps, path)
        location.insert_in_gif(path, receipt.canonical(build(clip, stream_hashes(path))))
        return
    encode = partial(video.encode, clip.frames, clip.fps)
    if clip.sound is None:
        _with_comment(clip, path, encode, ("video",))
        return
    silent, sound = path.with_stem(f"{path.stem}-silent"), clip.sound
    encode(silent)
    _with_comment(
        clip, path, lambda file, comment: write_film(silent, sound, file, comment=comment), ("audio", "video")
    )


def _with_comment(
    made: Clip | LongClip | Soundtrack, path: Path, write: Callable[[Path, str], None], streams: Sequence[str]
) -> None:
    """Write a file with its receipt for a comment.

    The streams can be hashed only once they are muxed, and the comment must be there before: so it has zeros in
    place of their hash, as it has for the whole file's.
    """
    draft = receipt.canonical(build(made, dict.fromkeys(streams, receipt.ZEROS)))
    write(path, draft)
    location.replace_text(path, draft, receipt.canonical(build(made, stream_hashes(path))))


def build(made: Clip | LongClip | Soundtrack, streams: Mapping[str, str]) -> dict[str, Any]:
    """The receipt of what is about to be written, with zeros for the file's hash.

    Args:
        made: Its metadata says command, request, runtime, seed and weights; whatever else it says goes to `details`.
        streams: The sha256 of each kind of encoded stream: `video`, `audio`.

    Raises:
        InputError: The metadata is not JSON.
    """
    details = {key: value for key, value in made.metadata.items() if key not in receipt.OWN}
    told = {
        "receipt": receipt.VERSION,
        **{key: made.metadata[key] for key in receipt.OWN if key in made.metadata},
        "versions": receipt.versions(),
        **({} if isinstance(made, Soundtrack) else _about_picture(made)),
        **({} if made.sound is None else _about_sound(made.sound)),
        "streams_sha256": dict(streams),
        "file_sha256": receipt.ZEROS,
        **({"details": details} if details else {}),
    }
    return receipt.validate(json.loads(receipt.canonical(told)))


def _about_picture(clip: Clip | LongClip) -> dict[str, Any]:
    frames, height, width, _ = clip.frames.shape
    picture = {"frames": frames, "height": height, "width": width, "fps": clip.fps}
    return {"picture": picture, "raw_frames_sha256": clip.frames_sha256}


def _about_sound(sound: Sound) -> dict[str, Any]:
    channels, samples = sound.waveform.shape
    about = {"channels": channels, "samples": samples, "sample_rate": sound.sample_rate}
    return {"sound": about, "raw_samples_sha256": soundtrack.samples_sha256(sound)}
