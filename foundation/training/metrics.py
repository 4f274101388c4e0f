"""A CSV of what happened, with one row per step whatever happened in between."""

import csv
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from shared.media.files import replacing


class MetricsLog:
    """Appends rows to a CSV; rows after the step that a run goes on from are dropped first, whole or not at all.

    Args:
        path: of the file; its folder is made.
        step: steps done so far.
    """

    def __init__(self, path: Path, step: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file: TextIO | None = None
        self._writer: csv.DictWriter | None = None
        kept = []
        if path.exists():
            with path.open(newline="") as file:
                kept = [row for row in csv.DictReader(file) if int(row["step"]) <= step]
        if kept:
            with replacing(path) as whole, whole.open("w", newline="") as file:
                _writer(file, kept[0], header=True).writerows(kept)
            self._file = path.open("a", newline="")
            self._writer = _writer(self._file, kept[0])

    def write(self, row: Mapping[str, object]) -> None:
        """Append a row, which has the keys of the first one; the first row makes the file."""
        if self._writer is None or self._file is None:
            self._file = self._path.open("w", newline="")
            self._writer = _writer(self._file, row, header=True)
        self._writer.writerow(row)
        self._file.flush()

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
