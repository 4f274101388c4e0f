"""Reads receipts and finds out whether a file is still the one that was written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.errors import InputError
from shared.receipts import location, receipt
from shared.receipts.streams import stream_hashes


@dataclass(frozen=True)
class Verification:
    """What `verify` found.

    Attributes:
        changed: What is no longer as it was written: `picture`, `sound`, `receipt`; empty when all holds.
    """

    changed: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether every byte of the file is as it was written."""
        return not self.changed


def read_receipt(path: Path) -> dict[str, Any]:
    """The receipt in a file, held to the schema.

    Raises:
        InputError: The file is missing, has no receipt, or has one that the schema refuses.
    """
    return receipt.parse(location.find(_existing(path)).text)


def find_receipt(path: Path) -> dict[str, Any] | None:
    """The receipt in a file, or None where another program wrote it.

    Raises:
        InputError: The file is missing, or its receipt is refused by the schema.
    """
    try:
        return read_receipt(path)
    except location.NoReceiptError:
        return None


def verify(path: Path) -> Verification:
    """Hash a file again and say what changed since it was written.

    Raises:
        NoReceiptError: There is nothing to hold it against.
        InputError: The file is missing or cannot be read at all.
    """
    place = location.find(_existing(path))
    try:
        said = receipt.parse(place.text)
    except InputError:
        return Verification(("receipt",))
    if said["file_sha256"] == location.file_sha256(path, place) and location.intact_frame(path, place):
        return Verification(())
    try:
        streams = stream_hashes(path)
    except InputError:
        return Verification(("picture",))
    words = {"video": "picture", "audio": "sound"}
    kinds = sorted(words, key=list(words).index)
    changed = tuple(words[kind] for kind in kinds if streams.get(kind) != said["streams_sha256"].get(kind))
    return Verification(changed or ("receipt",))


def _existing(path: Path) -> Path:
    if not path.exists():
        raise InputError(f"{path} does not exist")
    return path
