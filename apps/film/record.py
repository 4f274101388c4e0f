"""What a film's receipt says of its making: the receipts of its pieces, shot by shot."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from apps.film.film import Film
from apps.film.pieces import Drawn
from apps.film.takes import Take
from foundation.inputs import describe_inputs
from shared.config import to_mapping

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
        before = isinstance(shot.picture, Drawn) and shot.picture.before is not None
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
