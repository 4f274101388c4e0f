"""A folder of clips and pictures with their captions."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from foundation.data.folder.captions import (
    Captions,
    Reader,
    entry_captions,
    listed_captions,
    sidecar_captions,
)
from foundation.data.folder.survey import FILMS, STILLS, MediaRecord, Medium
from shared.config import one_of
from shared.console import progress
from shared.errors import InputError


@dataclass(frozen=True)
class Item:
    """A file to train on.

    Attributes:
        name: its path relative to the folder, which tells files of one name in two subfolders apart.
        path: where it is.
        medium: what it is.
        captions: one or more texts that say what it shows; none where it may go without.
    """

    name: str
    path: Path
    medium: Medium
    captions: Captions


@dataclass(frozen=True)
class Rejected:
    """A file, or a line of a listing, that is not used, and why, in one line."""

    name: str
    reason: str


@dataclass(frozen=True)
class Folder:
    """What a folder holds, sorted by name."""

    root: Path
    items: tuple[Item, ...]
    rejected: tuple[Rejected, ...]


def check_folder(root: Path) -> None:
    """Refuse what is no folder.

    Raises:
        InputError: nothing is there, or a file.
    """
    if not root.is_dir():
        raise InputError(
            f"{root} {'is no folder' if root.exists() else 'does not exist'}: name a folder of clips"
        )


def read_folder(
    root: Path, record: MediaRecord | None = None, read: Reader = entry_captions, *, captioned: bool = True
) -> Folder:
    """Find every clip and picture in a folder and its subfolders, with its captions.

    Hidden files and folders are passed over, and so is what is neither a medium nor a caption.

    Args:
        root: the folder.
        record: what is known of media already; None: the one in Kinora's cache.
        read: of captions in JSON.
        captioned: media without a caption are rejected.

    Raises:
        InputError: it is no folder that can be read, or has more than one listing (`.jsonl`).
    """
    check_folder(root)
    record = record or MediaRecord()
    files = sorted(_media(root), key=lambda file: file.relative_to(root).as_posix())
    listing, rejected = _listing(root, read)
    rejected += _unmatched(root, listing, files)
    items = []
    with progress(len(files), "reading media") as bar:
        for file in files:
            name = file.relative_to(root).as_posix()
            try:
                captions = _captions(file, listing.get(name), read, captioned)
                items.append(Item(name, file, _medium(file, record), captions))
            except InputError as error:
                rejected.append(Rejected(name, str(error)))
            bar.advance()
    return Folder(root, tuple(items), tuple(sorted(rejected, key=lambda one: one.name)))


def _media(root: Path) -> Iterator[Path]:
    """Films and pictures, and what will be rejected by name: kinds that cannot be read, links to folders."""

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename} cannot be read: {error.strerror or error}") from error

    for folder, subfolders, names in os.walk(root, onerror=refuse):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        yield from (path for name in subfolders if (path := Path(folder) / name).is_symlink())
        for name in names:
            kind = mimetypes.guess_type(name)[0] or ""
            known = Path(name).suffix.lower() in STILLS + FILMS
            if not name.startswith(".") and (known or kind.startswith(("video/", "image/"))):
                yield Path(folder) / name


def _listing(root: Path, read: Reader) -> tuple[dict[str, Captions], list[Rejected]]:
    """The captions of the folder's `.jsonl`, and its lines that are wrong."""
    listings = sorted(file for file in root.glob("*.jsonl") if not file.name.startswith("."))
    if not listings:
        return {}, []
    if len(listings) > 1:
        names = ", ".join(file.name for file in listings)
        raise InputError(f"{root} has {len(listings)} listings ({names}): leave one .jsonl")
    found, wrong = listed_captions(listings[0], read)
    return found, [Rejected(f"{listings[0].name} line {number}", why) for number, why in wrong.items()]


def _unmatched(root: Path, listing: dict[str, Captions], files: list[Path]) -> list[Rejected]:
    here = {file.relative_to(root).as_posix() for file in files}
    reason = "a listing names it, but no clip or picture of this name is in the folder"
    return [Rejected(name, reason) for name in listing if name not in here]


def _captions(file: Path, listed: Captions | None, read: Reader, wanted: bool) -> Captions:
    if file.is_dir():
        raise InputError("a link to a folder, which is not followed: move or copy the clips here")
    if file.suffix.lower() not in STILLS + FILMS:
        raise InputError(f"of a kind that is not read: {one_of(STILLS + FILMS)}")
    captions = sidecar_captions(file, read) or listed or ()
    if wanted and not captions:
        raise InputError(f"no caption: neither {file.stem}.txt nor {file.stem}.json, and no .jsonl names it")
    return captions


def _medium(file: Path, record: MediaRecord) -> Medium:
    try:
        return record.medium(file)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}") from error
