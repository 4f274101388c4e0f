"""The output folder as a server shows it: results and uploads by their names in it, and nothing else."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from shared.config import shorten
from shared.errors import InputError
from shared.media.files import check_writable, refusal, replacing
from shared.media.limited import check_medium
from shared.media.naming import slug

PRIVATE = ".kinora"
"""Folder for the database and for what running jobs leave; hidden, so that it is never served."""

UPLOADS = "uploads"
LARGEST_TEXT = 1 << 20
_BLOCK = 1 << 20
_TOKEN = 4
"""Bytes, as hexadecimal digits before an upload's name."""


class FileNotThereError(InputError):
    """There is no file of this name, or none that is shown."""


class Files:
    """Names in an output folder, such as `uploads/3f2a-cat.png`, and the files that they stand for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        check_writable(self.folder)
        self.private = self.folder / PRIVATE
        try:
            self.private.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise refusal(error, self.private) from error

    def sweep(self) -> None:
        """Remove what uploads left that were under way when a server was killed; no other may be at work."""
        for room in (self.folder / UPLOADS).glob(".*.part"):
            shutil.rmtree(room, ignore_errors=True)

    def path(self, name: str) -> Path:
        """The file, or the folder of pictures, that a name stands for.

        Raises:
            FileNotThereError: it leads out of the folder, through a link of either kind, or to something hidden, or is
                not there.
        """
        parts = PurePosixPath(name).parts if isinstance(name, str) else ()
        plain = bool(parts) and not any(char in name for char in "\\\0:")
        if not plain or any(part.startswith((".", "/")) for part in parts):
            raise FileNotThereError(
                f"{shorten(name)} is no name in the output folder, such as uploads/cat.png"
            )
        path = self.folder.joinpath(*parts)
        try:
            exists = path.exists() and path.resolve() == path
        except (OSError, ValueError, RuntimeError):
            exists = False
        if not exists:
            raise FileNotThereError(
                f"{shorten(name)} is not in the output folder: it was deleted, or never there"
            )
        if is_linked_elsewhere(path):
            raise FileNotThereError(
                f"{shorten(name)} has another name outside of the output folder: copy it here"
            )
        return path

    def name(self, path: Path) -> str:
        """The name of a path in the output folder."""
        return path.relative_to(self.folder).as_posix()

    def keep(self, source: BinaryIO | Path, name: str) -> str:
        """Keep an upload, if it can be decoded.

        Args:
            source: its bytes, or the file that holds them.
            name: what its owner calls it; the suffix says what it is.

        Returns:
            Its name from now on.

        Raises:
            InputError: the file is of no kind that any command reads, or is damaged.
            ResourceError: the disk is full.
        """
        suffix = PurePosixPath(name).suffix.lower()
        if suffix not in _CHECKS:
            raise InputError(f"{shorten(name)} is of no kind that is read here: {', '.join(sorted(_CHECKS))}")
        stem = slug(PurePosixPath(name.replace("\\", "/")).stem)
        path = self.folder / UPLOADS / f"{secrets.token_hex(_TOKEN)}-{stem}{suffix}"
        with replacing(path) as temporary:
            _copy(source, temporary)
            try:
                _CHECKS[suffix](temporary)
            except InputError as error:
                raise InputError(str(error).replace(str(temporary), shorten(name))) from error
        return self.name(path)


def title_of(name: str) -> str:
    """What a file was called by its owner, without its suffix: `uploads/3f2a90bc-two-stars.yaml` is `two-stars`."""
    return re.sub(rf"^[0-9a-f]{{{2 * _TOKEN}}}-", "", PurePosixPath(name).stem)


def is_linked_elsewhere(path: Path) -> bool:
    """Whether a file has more than one name: a hard link shows what lies outside of the folder."""
    return path.is_file() and path.stat().st_nlink > 1


def _copy(source: BinaryIO | Path, target: Path) -> None:
    if isinstance(source, Path):
        with source.open("rb") as file:
            _copy(file, target)
        return
    with target.open("wb") as file:
        while block := source.read(_BLOCK):
            file.write(block)


def _check_text(path: Path) -> None:
    if path.stat().st_size > LARGEST_TEXT:
        raise InputError(f"{path} has {path.stat().st_size} bytes, at most {LARGEST_TEXT} of text are read")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not text in UTF-8") from None
    if re.search(r"[\0-\x08\x0e-\x1f]", text):
        raise InputError(f"{path} is not text: it holds control characters")


_CHECKS: dict[str, Callable[[Path], None]] = {
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"), check_medium),
    **dict.fromkeys((".mp4", ".mkv", ".mov", ".webm", ".gif", ".m4v"), check_medium),
    **dict.fromkeys((".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac"), check_medium),
    **dict.fromkeys((".txt", ".yaml", ".yml"), _check_text),
}
"""Suffix -> what decodes a file of that kind to the end, and raises where it cannot."""
