"""What a file says about the run that made it: built here, and checked here as a stranger's input."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Callable, Mapping
from importlib import metadata
from itertools import chain
from typing import Any

from shared.config import shorten
from shared.errors import InputError

VERSION = 1
ZEROS = "0" * 64
"""Stands for `file_sha256` while the file is hashed."""

LARGEST = 1 << 20
"""Bytes of JSON that are read at most."""

_PACKAGES = ("kinora", "torch", "diffusers", "transformers", "numpy", "av")
OWN = ("command", "request", "runtime", "seed", "weights_sha256")


def versions() -> dict[str, str]:
    """Versions of what took part, read from the packages' metadata without importing them."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def canonical(receipt: Mapping[str, Any]) -> str:
    """The one spelling of a receipt: keys sorted, no spaces, no NaN.

    Raises:
        InputError: A value that JSON cannot hold.
    """
    try:
        return json.dumps(receipt, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"a receipt holds JSON only: {error}") from error


# -- a stranger's receipt ----------------------------------------------------------------------------------


def parse(text: str) -> dict[str, Any]:
    """Read a receipt's text.

    Raises:
        InputError: Not JSON, too long, not canonical, or not of the schema.
    """
    if len(text) > LARGEST:
        raise InputError(f"the receipt has {len(text)} characters, at most {LARGEST} are read")
    try:
        receipt = json.loads(text, parse_constant=_refuse_constant)
        exact = canonical(receipt) == text
    except (ValueError, RecursionError) as error:
        raise InputError(f"the receipt is not JSON: {error}") from error
    validate(receipt)
    if not exact:
        raise InputError("the receipt is not in its canonical spelling: somebody edited it")
    return receipt


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value) is not None


def _is_natural(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_rate(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1000


def _maps_to(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(check(item) for item in value.values())


def _is_picture(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"frames", "height", "width", "fps"}
        and all(_is_natural(value[key]) and value[key] > 0 for key in ("frames", "height", "width"))
        and _is_rate(value["fps"])
    )


def _is_sound(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"channels", "samples", "sample_rate"}
        and all(_is_natural(number) and number > 0 for number in value.values())
    )


def _is_runtime(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"device", "dtype", "threads", "processor"}
        and all(_is_text(value[key]) for key in ("device", "dtype", "processor"))
        and _is_natural(value["threads"])
    )


CONTENTS = (("picture", "raw_frames_sha256"), ("sound", "raw_samples_sha256"))
"""What was made and the hash of it before any codec; a receipt has one of the pairs, or both."""

_SCHEMA: dict[str, tuple[bool, Callable[[Any], bool], str]] = {
    "receipt": (True, lambda value: value == VERSION and _is_natural(value), f"the number {VERSION}"),
    "command": (False, _is_text, "text"),
    "request": (False, lambda value: isinstance(value, dict), "a mapping"),
    "runtime": (False, _is_runtime, "device, dtype, threads and processor"),
    "seed": (False, _is_natural, "a number from 0 to 2^63 - 1"),
    "weights_sha256": (False, _maps_to(_is_hash), "a mapping from names to sha256"),
    "versions": (True, _maps_to(_is_text), "a mapping from names to text"),
    "picture": (False, _is_picture, "frames, height, width and fps"),
    "raw_frames_sha256": (False, _is_hash, "a sha256"),
    "sound": (False, _is_sound, "channels, samples and sample_rate"),
    "raw_samples_sha256": (False, _is_hash, "a sha256"),
    "streams_sha256": (True, _maps_to(_is_hash), "a mapping from kinds of stream to sha256"),
    "file_sha256": (True, _is_hash, "a sha256"),
    "details": (False, lambda value: isinstance(value, dict), "a mapping"),
}


def validate(receipt: Any) -> dict[str, Any]:
    """Hold a receipt to the schema; nothing in it is followed, opened or instantiated.

    Raises:
        InputError: A missing or unknown key, or a value of another kind.
    """
    if not isinstance(receipt, dict):
        raise InputError(f"a receipt is a mapping, not {shorten(receipt)}")
    for key in receipt:
        if key not in _SCHEMA:
            raise InputError(f"the receipt has an unknown key {shorten(key)}")
    check_entries(receipt)
    for key, (required, _, _) in _SCHEMA.items():
        if required and key not in receipt:
            raise InputError(f"the receipt has no {key}")
    begun = [pair for pair in CONTENTS if any(key in receipt for key in pair)]
    for key in chain.from_iterable(begun or CONTENTS[:1]):
        if key not in receipt:
            raise InputError(f"the receipt has no {key}")
    return receipt


def check_entries(receipt: Mapping[str, Any]) -> None:
    """Hold the entries that a receipt has to the schema; none is required.

    Raises:
        InputError: A value of another kind, by its key.
    """
    for key, (_, holds, wanted) in _SCHEMA.items():
        if key in receipt and not holds(receipt[key]):
            raise InputError(f"the receipt's {key} must be {wanted}, not {shorten(receipt[key])}")
