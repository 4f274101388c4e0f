"""Captions beside the media: a `.txt` or `.json` of the clip's own name, or lines of one `.jsonl` in the folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from shared.config import shorten, text_lines
from shared.errors import InputError

Captions = tuple[str, ...]

Reader = Callable[[Any, str], Captions]
"""Takes a value of JSON and what to call its place, and refuses what is no caption with an `InputError`."""


def entry_captions(entry: Any, source: str) -> Captions:
    """The captions in a JSON object: a text `caption`, or a list of texts `captions`; see `Reader`."""
    if not isinstance(entry, dict) or not entry.keys() & {"caption", "captions"}:
        raise InputError(f'{source} has no "caption"')
    several = entry["captions"] if "captions" in entry else [entry["caption"]]
    if not isinstance(several, list):
        raise InputError(f'"captions" in {source} must be a list of texts, not {shorten(several)}')
    if not several:
        raise InputError(f"{source} holds an empty list of captions")
    return tuple(one_line(text, source) for text in several)


def sidecar_captions(file: Path, read: Reader = entry_captions) -> Captions | None:
    """The captions of a file: those of its `.txt`, else of its `.json`; None where it has neither.

    Args:
        file: the medium.
        read: of what the `.json` holds.

    Raises:
        InputError: what is beside it is no caption.
    """
    text, described = _beside(file, ".txt"), _beside(file, ".json")
    if text.is_file():
        return (one_line(_read(text), text.name),)
    if described.is_file():
        return read(_parsed(_read(described), described.name), described.name)
    return None


def _beside(file: Path, suffix: str) -> Path:
    """The file of that suffix, in small letters or, where there is only that, in capitals."""
    small, capitals = file.with_suffix(suffix), file.with_suffix(suffix.upper())
    return capitals if capitals.is_file() and not small.is_file() else small


def listed_captions(
    listing: Path, read: Reader = entry_captions
) -> tuple[dict[str, Captions], dict[int, str]]:
    """The captions in a JSONL of lines `{"file": ..., "caption": ...}`.

    A line may have a list, `captions`, instead; several lines about one file add up.

    Args:
        listing: the file; the names in it are relative to its folder.
        read: of each line.

    Returns:
        File -> captions, and line number -> what is wrong with that line.

    Raises:
        InputError: the listing cannot be read.
    """
    found: dict[str, Captions] = {}
    wrong: dict[int, str] = {}
    for number, line in enumerate(text_lines(_read(listing)), 1):
        if not line.strip():
            continue
        try:
            entry = _parsed(line, "the line")
            file = entry.get("file") if isinstance(entry, dict) else None
            if not isinstance(file, str):
                raise InputError('the line has no "file"')
            name = PurePosixPath(file).as_posix()
            found[name] = found.get(name, ()) + read(entry, "the line")
        except InputError as error:
            wrong[number] = str(error)
    return found, wrong


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path.name} is not text in UTF-8") from None
    except OSError as error:
        raise InputError(f"{path.name} cannot be read: {error.strerror or error}") from None


def _parsed(text: str, source: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, " if "\n" in text.strip() else ""
        raise InputError(f"{source} is broken JSON ({place}column {error.colno}: {error.msg})") from None
    except ValueError:
        raise InputError(f"{source} holds a number of more digits than are read") from None
    except RecursionError:
        raise InputError(f"{source} is nested too deep for a caption") from None


def one_line(text: Any, source: str) -> str:
    """A caption on one line.

    Raises:
        InputError: it is no text, or empty, or not in UTF-8.
    """
    if not isinstance(text, str):
        raise InputError(f"a caption in {source} must be a text, not {shorten(text)}")
    if any(0xD800 <= ord(char) <= 0xDFFF or not ord(char) for char in text):
        raise InputError(f"the caption in {source} is not text in UTF-8 without NUL")
    words = " ".join(text.split())
    if not words:
        raise InputError(f"the caption in {source} is empty")
    return words
