"""Files that appear whole or not at all, and the operating system's refusals in the user's words."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import shutil
import tempfile
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path

from shared.errors import InputError, KinoraError, ResourceError
from shared.interrupts import cleaned_up

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
        make_folders(path.parent)
        room = Path(tempfile.mkdtemp(prefix=f".{path.name[:40]}-", suffix=".part", dir=path.parent))
    except OSError as error:
        raise refusal(error, path) from error
    try:
        with cleaned_up(lambda: shutil.rmtree(room, ignore_errors=True)):
            temporary = room / path.name
            yield temporary
            if temporary.is_file():
                _flush(temporary)
            elif path.is_dir():
                _make_way(path)
            temporary.replace(path)
    except OSError as error:
        raise refusal(error, path) from error


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _make_way(folder: Path) -> None:
    if (folder / "receipt.json").is_file():
        shutil.rmtree(folder)
    elif any(folder.iterdir()):
        raise InputError(f"{folder} is a folder with files of its own: give another name")


def make_folders(folder: Path) -> list[Path]:
    """Make a folder and what is missing above it, level by level: there may be more levels than Python's stack holds.

    Returns:
        What was made, the deepest first.
    """
    missing = list(itertools.takewhile(lambda one: not one.exists(), (folder, *folder.parents)))
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
    return missing


@contextlib.contextmanager
def reserving(candidates: Iterable[Sequence[Path]]) -> Generator[Path]:
    """Take names that are free, and hold them while the block writes what belongs there.

    They are taken by exclusive creation of an empty file, or folder, so that of two runs at once each has its own. What
    is still empty when the block ends disappears.

    Args:
        candidates: Names that belong together, to be tried in turn; all are in one folder, which is made when it is
            missing. One without a suffix is a folder's.

    Yields:
        The first name of those that were free.

    Raises:
        InputError: The folder cannot be written.
        ResourceError: The disk is full.
    """
    taken: list[Path] = []
    folders: list[Path] = []

    def give_back() -> None:
        for path in (*taken, *folders):
            _remove_if_empty(path)

    with cleaned_up(give_back):
        for paths in candidates:
            try:
                folders += make_folders(paths[0].parent)
                taken += _take(paths)
            except OSError as error:
                raise refusal(error, paths[0]) from error
            if taken:
                break
        yield taken[0]


def _take(paths: Sequence[Path]) -> list[Path]:
    """Create all of these, or none if one is there."""
    taken = []
    for path in paths:
        try:
            path.touch(exist_ok=False) if path.suffix else path.mkdir()
        except FileExistsError:
            for other in taken:
                _remove_if_empty(other)
            return []
        taken.append(path)
    return taken


def _remove_if_empty(path: Path) -> None:
    with contextlib.suppress(OSError):
        if path.is_dir():
            path.rmdir()
        elif path.stat().st_size == 0:
            path.unlink()


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


def check_length(path: Path) -> None:
    """Find out before the work begins whether the system takes a path of this length.

    Raises:
        InputError: It does not.
    """
    try:
        path.absolute().lstat()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise refusal(error, path) from error


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
