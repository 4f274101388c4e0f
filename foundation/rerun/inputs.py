"""The media that a clip was made from: named in its receipt with their sha256, and found again by it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from foundation.checkpoints.hashes import files_sha256, open_record
from shared.config import local_path, shorten
from shared.errors import InputError
from shared.media.limited import check_medium

_HASH = re.compile(r"[0-9a-f]{64}")


def describe_inputs(files: Mapping[str, Path]) -> dict[str, dict[str, str]]:
    """What a receipt says of a run's media: by the name of their setting, the file's name and sha256."""
    digests = files_sha256(files)
    return {name: {"name": file.name, "sha256": digests[name]} for name, file in files.items()}


def find_inputs(recorded: Any, given: Iterable[Path] = ()) -> dict[str, Path]:
    """The media of a receipt, as files of this machine.

    Args:
        recorded: a stranger's mapping, as `describe_inputs` makes it.
        given: files to look at first; beyond them, those that this machine has used before.

    Raises:
        InputError: the receipt says anything else, or a file is not here, has changed since, or cannot be decoded.
    """
    if not isinstance(recorded, dict):
        raise InputError(f"the receipt's inputs must be a mapping, not {shorten(recorded)}")
    paths = {str(path): local_path(path) for path in given}
    for path in paths.values():
        if not path.is_file():
            raise InputError(f"{path} is missing; an input of the clip is wanted")
    here = {digest: paths[name] for name, digest in files_sha256(paths).items()}
    found = {name: _find(name, entry, here) for name, entry in recorded.items()}
    for path in found.values():
        check_medium(path)
    return found


def _find(setting: str, entry: Any, here: Mapping[str, Path]) -> Path:
    fits = isinstance(entry, dict) and entry.keys() == {"name", "sha256"}
    fits = fits and all(isinstance(word, str) for word in entry.values()) and _HASH.fullmatch(entry["sha256"])
    if not fits:
        raise InputError(
            f"the receipt's input {shorten(setting)} must have name and sha256, not {shorten(entry)}"
        )
    path = here.get(entry["sha256"])
    if path is None:
        with open_record() as record:
            path = record.find(entry["sha256"])
    if path is None:
        raise InputError(
            f"the clip's {shorten(setting)} is not here, or has changed since: {shorten(entry['name'])} with sha256 "
            f"{entry['sha256'][:16]}...; name it with --input"
        )
    return path
