"""Files that appear whole or not at all, and the operating system's refusals in the user's words."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

from shared.errors import InputError, KinoraError, ResourceError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOMEM}


def refusal(error: OSError, path: Path, doing: str = "written") -> KinoraError:
    """What the operating system says, as an error of ours.

    Args:
        error: As it was raised.
        path: The file or folder the user knows.
        doing: The participle for the message: `written`, `read`.

    Returns:
        A `ResourceError` where space ran out, an `InputError` otherwise.
    """
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return ResourceError(f"{path} cannot be {doing}: {reason}; free some space or choose another folder")
    return InputError(f"{path} cannot be {doing}: {reason}")


@contextlib.contextmanager
def replacing(path: Path) -> Generator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well, and else disappears.

    The folder is made when it is missing. What the block puts there may be a file or a folder; a folder
    takes the place of nothing, of an empty folder, or of one that Kinora wrote (it holds a `receipt.json`).

    Raises:
        InputError: The folder cannot be written, or `path` is a folder of somebody else's files.
        ResourceError: The disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        room = Path(tempfile.mkdtemp(prefix=f".{path.name[:40]}-", suffix=".part", dir=path.parent))
    except OSError as error:
        raise refusal(error, path) from error
    try:
        temporary = room / path.name
        yield temporary
        if temporary.is_file():
            _flush(temporary)
        elif path.is_dir():
            _make_way(path)
        temporary.replace(path)
    except OSError as error:
        raise refusal(error, path) from error
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _make_way(folder: Path) -> None:
    if not (folder / "receipt.json").is_file() and any(folder.iterdir()):
        raise InputError(f"{folder} is a folder with files of its own: give another name")
    shutil.rmtree(folder)


def check_writable(folder: Path) -> None:
    """Find out before the work begins whether its result can be written.

    Raises:
        InputError: Neither the folder nor the nearest existing one above it takes a file.
        ResourceError: The disk is full.
    """
    try:
        while not folder.exists():
            folder = folder.parent
        with tempfile.TemporaryFile(dir=folder, prefix=".kinora-", suffix=".part") as file:
            file.write(b"kinora")
    except OSError as error:
        raise refusal(error, folder) from error


def check_space(needed: int, place: Path) -> int:
    """Find out before the work begins whether its result has room.

    Args:
        needed: Bytes.
        place: Where they go; it need not exist yet.

    Returns:
        The free bytes there.

    Raises:
        ResourceError: They are fewer than needed.
    """
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed > free:
        raise ResourceError(
            f"{place} has {free / 1e9:.1f} GB free, {needed / 1e9:.1f} GB are needed: free some space or choose "
            "another place"
        )
    return free
