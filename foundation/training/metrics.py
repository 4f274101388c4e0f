"""A CSV with one row per step; and how a training on a CPU keeps its memory."""

import csv
import ctypes
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from foundation.training.checkpoint import set_aside
from shared.console import note
from shared.media.files import replacing

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Parameters of glibc's `mallopt`."""

_NEVER = 2**31 - 1


def keep_freed_memory() -> None:
    """Let the C library keep what a step frees for the next one.

    By itself glibc gives large buffers back to the system and takes them anew in every step, page by page
    (`benchmarks/freed_memory.py` says what that costs). Other C libraries are left alone.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, _NEVER)


class MetricsLog:
    """Appends rows to a CSV; rows after the step that a run goes on from are dropped first, whole or not at all.

    A file that is no such CSV is set aside.

    Args:
        path: of the file; its folder is made.
        step: steps done so far.
    """

    def __init__(self, path: Path, step: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file: TextIO | None = None
        self._writer: csv.DictWriter | None = None
        kept = self._kept(step)
        if kept:
            with replacing(path) as whole, whole.open("w", newline="") as file:
                _writer(file, kept[0], header=True).writerows(kept)
            self._file = path.open("a", newline="")
            self._writer = _writer(self._file, kept[0])

    def write(self, row: Mapping[str, object]) -> None:
        """Append a row, which has the keys of the first one; the first row makes the file."""
        if self._writer is not None and set(row) != set(self._writer.fieldnames):
            self._set_aside()
        if self._writer is None or self._file is None:
            self._file = self._path.open("w", newline="")
            self._writer = _writer(self._file, row, header=True)
        self._writer.writerow(row)
        self._file.flush()

    def _kept(self, step: int) -> list[dict[str, str]]:
        """The rows up to a step; one that a kill cut short has values missing and is dropped."""
        if not self._path.exists():
            return []
        try:
            with self._path.open(newline="") as file:
                rows = [row for row in csv.DictReader(file, strict=True) if None not in row.values()]
            if any(None in row for row in rows):
                raise ValueError("a row has more values than the header")
            return [row for row in rows if int(row["step"]) <= step]
        except (IsADirectoryError, KeyError, ValueError, csv.Error):
            self._set_aside()
            return []

    def _set_aside(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = self._writer = None
        note(f"{self._path} does not hold this run's values: kept as {set_aside(self._path)}, begun anew")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()


def _writer(file: TextIO, row: Mapping[str, object], header: bool = False) -> csv.DictWriter:
    writer = csv.DictWriter(file, fieldnames=list(row))
    if header:
        writer.writeheader()
    return writer
