"""A film's receipt, and the film made again from it."""

from __future__ import annotations

import dataclasses
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apps.film.plan import Film
from apps.film.request import MOST_SHOTS
from apps.film.shot_cache import Take
from apps.film.shots import GeneratedVideo
from foundation.rerun.inputs import describe_inputs, find_inputs
from shared.config import Size, shorten, to_mapping
from shared.errors import InputError
from shared.receipts.receipt import VERSION, ZEROS, validate

if TYPE_CHECKING:
    from foundation.rerun.rerun import Again
    from shared.results import Clip
    from shared.results.clip import LongClip
    from shared.results.soundtrack import Soundtrack


MAKERS = {"picture": ("t2v", "i2v"), "sound": ("v2a",)}
"""The commands that make each kind of piece."""


def remake_parts(receipt: Mapping[str, Any], again: Again, inputs: Sequence[Path] = ()) -> LongClip:
    """Make a film again, as `kinora rerun` asks for it.

    Args:
        receipt: a stranger's.
        again: makes a piece again.
        inputs: files to look at first for clips that it was made from.

    Raises:
        KinoraError: The receipt says anything else than a film's, or a piece cannot be made again.
    """
    from apps.film.run import joined
    from apps.film.shots import write_last_frame

    shots = [_checked(shot, number) for number, shot in enumerate(_shots(receipt), 1)]
    pictures: list[Path] = []
    sounds: list[Path | None] = []
    runtimes: list[Any] = []
    room = tempfile.TemporaryDirectory(prefix="kinora-")
    with ExitStack() as unfinished:
        unfinished.enter_context(room)
        for number, shot in enumerate(shots, 1):
            file = Path(room.name) / f"shot-{number:02}.mkv"
            known = {"image": write_last_frame(pictures[-1])} if shot["before"] else {}
            picture = _made(shot["picture"], again, known, partial(_clip_again, inputs=inputs))
            runtimes.append(picture.metadata.get("runtime"))
            pictures.append(picture.save(file))
            sound = shot["sound"]
            heard = (
                None
                if sound is None
                else _made(sound, again, {"video": file}, partial(_sound_again, inputs=inputs))
            )
            sounds.append(None if heard is None else heard.save(file.with_suffix(".wav")))
        film = joined(pictures, sounds, shots[0]["picture"]["picture"]["fps"])
        unfinished.pop_all()
    weakref.finalize(film.frames, room.cleanup)  # the shots are read when the film is saved
    told = {key: receipt[key] for key in ("command", "request", "seed", "weights_sha256")}
    runtime = {} if runtimes[0] is None else {"runtime": runtimes[0]}
    return dataclasses.replace(film, metadata={**told, **runtime, **receipt["details"]})


def _made(
    piece: Mapping[str, Any],
    again: Again,
    known: Mapping[str, Path],
    from_clip: Callable[[Mapping[str, Any]], Clip | Soundtrack],
) -> Clip | Soundtrack:
    """A piece made again: by its command, or out of the clip that it was."""
    return again(piece, known) if "command" in piece else from_clip(piece)


def _clip_again(piece: Mapping[str, Any], inputs: Sequence[Path]) -> Clip:
    from apps.film.shots import import_clip

    picture = piece["picture"]
    return import_clip(_clip_of(piece, inputs), Size(picture["width"], picture["height"]), picture["fps"])


def _sound_again(piece: Mapping[str, Any], inputs: Sequence[Path]) -> Soundtrack:
    from apps.film.shots import own_sound
    from shared.results.soundtrack import Soundtrack

    clip = _clip_of(piece, inputs)
    sound = own_sound(clip)
    if sound is None:
        raise InputError(f"{clip} has no sound, and the film kept one of it")
    return Soundtrack(sound)


def _clip_of(piece: Mapping[str, Any], inputs: Sequence[Path]) -> Path:
    found = find_inputs(piece.get("details", {}).get("inputs"), inputs)
    if found.keys() != {"clip"}:
        raise InputError(f"the receipt's inputs of a clip must be clip, not {shorten(sorted(found))}")
    return found["clip"]


# -- a stranger's receipt ----------------------------------------------------------------------------------


def _shots(receipt: Mapping[str, Any]) -> list[Any]:
    shots = receipt.get("details", {}).get("shots")
    if not isinstance(shots, list) or not 1 <= len(shots) <= MOST_SHOTS:
        raise InputError(f"the receipt's shots must be a list of 1 to {MOST_SHOTS}, not {shorten(shots)}")
    return shots


def _checked(shot: Any, number: int) -> dict[str, Any]:
    """A recorded shot, its pieces held to the schema of receipts."""
    known = {"picture", "sound", "before"}
    if not isinstance(shot, dict) or not {"picture", "sound"} <= shot.keys() <= known:
        raise InputError(f"shot {number} of the receipt must have picture and sound, not {shorten(shot)}")
    before = shot.get("before", False)
    if before is not False and (before is not True or number == 1):
        raise InputError(f"shot {number} of the receipt goes on from no shot: before is {shorten(before)}")
    for what, commands in MAKERS.items():
        if what == "sound" and shot[what] is None:
            continue
        _check_piece(shot[what], commands, f"shot {number} of the receipt, {what}")
        if what not in shot[what]:
            raise InputError(f"shot {number} of the receipt has a {what} that is none")
    return {**shot, "before": before}


def _check_piece(piece: Any, commands: tuple[str, ...], name: str) -> None:
    stand_ins = {"receipt": VERSION, "versions": {}, "streams_sha256": {}, "file_sha256": ZEROS}
    if not isinstance(piece, dict) or piece.keys() & stand_ins.keys():
        raise InputError(f"{name} must be a mapping of what made it, not {shorten(piece)}")
    try:
        validate({**piece, **stand_ins})
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    if "command" not in piece:
        return
    missing = [
        key for key in ("request", "seed", "weights_sha256") if not piece.get(key) and piece.get(key) != 0
    ]
    if missing or piece["command"] not in commands:
        raise InputError(
            f"{name}: {shorten(piece['command'])} with its request, seed and weights made no such thing"
        )


KEPT = ("command", "request", "runtime", "seed", "weights_sha256", "picture", "raw_frames_sha256")
KEPT += ("sound", "raw_samples_sha256")
"""What a piece's receipt says of its making; what it says of its file does not outlast it."""

DETAILS = ("inputs", "lora", "rewrite")


def about_film(film: Film, takes: Mapping[Path, Take]) -> dict[str, Any]:
    """A film's metadata, of which its receipt is made."""
    pictures, sounds = film.files()
    shots = []
    for shot, picture, sound in zip(film.shots, pictures, sounds, strict=True):
        said = {"picture": _about(takes[picture]), "sound": None if sound is None else _about(takes[sound])}
        before = isinstance(shot.picture, GeneratedVideo) and shot.picture.before is not None
        shots.append({**said, "before": True} if before else said)
    first = takes[pictures[0]]
    media = {
        "scenes": film.request.scenes,
        "image": film.request.image,
        "last_image": film.request.last_image,
    }
    inputs = describe_inputs({name: file for name, file in media.items() if file is not None})
    weights = {
        f"{take['command']}/{name}": digest
        for take in takes.values()
        for name, digest in take.get("weights_sha256", {}).items()
    }
    return {
        "command": "film",
        "request": to_mapping(film.request),
        "seed": first.get("seed", 0),
        "weights_sha256": weights,
        **({"runtime": first["runtime"]} if "runtime" in first else {}),
        "shots": shots,
        **({"inputs": inputs} if inputs else {}),
    }


def _about(take: Take) -> dict[str, Any]:
    details = {key: value for key, value in take.get("details", {}).items() if key in DETAILS}
    return {**{key: take[key] for key in KEPT if key in take}, "details": details}
