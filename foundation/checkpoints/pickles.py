"""Pickles of untrusted files are looked through before torch opens them.

Its restricted unpickler runs no code, but a file of a few hundred bytes can keep it busy for ever: tuples that hold one
tuple twice, thirty levels deep, take 2^30 steps where they are the key of a mapping.
"""

from __future__ import annotations

import pickletools
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

from shared.errors import WeightsError, first_line

LARGEST_PICKLE = 1 << 24
"""Bytes of a file's structure, without its tensors; released checkpoints take less than one million."""

LARGEST_TUPLE = 10_000
"""Entries of a tuple and of the tuples in it, each counted as often as it is held."""

LARGEST_INTEGER = 1 << 64
"""Sizes and steps are smaller. Larger keys can be chosen so that a mapping takes quadratic time."""

_MARK = -1
"""Stands on the stack for a mark, where everything else is its number of entries."""


def check_pickle(path: Path) -> None:
    """Look through the structure of a file by `torch.save`, without building any of it.

    A file that is no ZIP file passes: torch does not open it as one.

    Raises:
        WeightsError: the file is damaged, or made to keep its reader busy.
    """
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [one for one in archive.infolist() if PurePosixPath(one.filename).name == "data.pkl"]
            if all(one.file_size <= LARGEST_PICKLE for one in entries):
                is_harmless = all(_is_harmless(archive.read(one)) for one in entries)
            else:
                is_harmless = False
    except Exception as error:  # a damaged file can raise anything
        raise WeightsError(f"{path} is damaged or cut: {first_line(error)}; fetch it again") from error
    if not is_harmless:
        raise WeightsError(
            f"{path} holds a structure that takes for ever to read, and is not opened: a mapping of names to tensors "
            "is expected"
        )


def _is_harmless(data: bytes) -> bool:
    """Whether no tuple and no integer of a pickle is too large."""
    stack: list[int] = []
    memo: dict[Any, int] = {}
    for code, argument, _ in pickletools.genops(data):
        if isinstance(argument, int) and abs(argument) >= LARGEST_INTEGER:
            return False
        if code.name in ("PUT", "BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif code.name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif code.name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        else:
            taken = _take(stack, code)
            held = 1 + sum(taken) if "TUPLE" in code.name else 1
            if held > LARGEST_TUPLE:
                return False
            stack += [_MARK if kind is pickletools.markobject else held for kind in code.stack_after]
    return True


def _take(stack: list[int], code: Any) -> list[int]:
    """Take from the stack what an operation takes.

    Raises:
        IndexError: there is less.
    """
    taken: list[int] = []
    wanted = len(code.stack_before)
    if pickletools.markobject in code.stack_before:
        while (top := stack.pop()) != _MARK:
            taken.append(top)
        wanted = code.stack_before.index(pickletools.markobject)
    return taken + [stack.pop() for _ in range(wanted)]
