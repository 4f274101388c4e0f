"""What was made of a film's shots before, and whether it is still what the film wants."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from foundation.checkpoints.hashes import files_sha256
from foundation.checkpoints.lora.source import describe_loras
from foundation.runtime.settings import RuntimeSettings
from shared.config import Schema, settings, to_mapping
from shared.errors import InputError

ABOUT = "shot"
"""What a take's receipt says of its place in a film."""

Take = Mapping[str, Any]
"""The receipt of a shot's picture, or of its sound."""


def asked_of(request: Schema) -> dict[str, Any]:
    """What of a command's request decides how its result looks or sounds, and not where it is computed."""
    where = settings(RuntimeSettings).keys() - {"dtype", "quantise"}
    asked = {name: value for name, value in to_mapping(request).items() if name not in where}
    return {**asked, "lora": describe_loras(getattr(request, "lora", ()))}


def key_of(asked: Mapping[str, Any], files: Mapping[str, Path | None], **more: Any) -> str:
    """The identity of a take: a hash over what decides about it.

    Args:
        asked: settings.
        files: weights and media that it is made from, by name.
        more: what else decides.
    """
    from shared.receipts.receipt import canonical

    there = {name: file for name, file in files.items() if file is not None}
    told = {"asked": dict(asked), "files": files_sha256(there), **more}
    return hashlib.sha256(canonical(told).encode()).hexdigest()


def find_take(file: Path, key: str) -> Take | None:
    """The receipt of a take that is there, made as its key says, and as it was written."""
    from shared import receipts

    if not file.is_file():
        return None
    try:
        receipt = receipts.find_receipt(file)
        if receipt is None or not receipts.verify(file).holds:
            return None
    except InputError:
        return None
    about = receipt.get("details", {}).get(ABOUT)
    return receipt if isinstance(about, dict) and about.get("key") == key else None
