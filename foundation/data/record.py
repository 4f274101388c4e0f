"""What was found out about files, remembered for as long as they stay the same."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Generic, TypeVar

from shared.config import text_lines

Found = TypeVar("Found")

Stamp = tuple[int, int]
"""Size in bytes, and time of change in nanoseconds."""


class FileRecord(Generic[Found]):
    """Findings by path, size and time of change.

    One line of JSON is appended for each new one, so that a run that was killed goes on where it was; of two lines
    about a file the later one holds. Files about which nothing can be found out are looked at anew every time.

    Args:
        path: of the record.
        kind: dataclass of a finding; its values are those of JSON.
    """

    def __init__(self, path: Path, kind: Callable[..., Found]) -> None:
        self.path = path
        self.known = _read(path, kind)

    def of(self, file: Path, find: Callable[[Path], Found]) -> Found:
        """What is known of a file, found out where it is new or has changed; what `find` raises is passed on."""
        stat, name = file.stat(), str(file.resolve())
        stamp = stat.st_size, stat.st_mtime_ns
        known = self.known.get(name)
        if known and known[0] == stamp:
            return known[1]
        found = find(file)
        self.known[name] = stamp, found
        values: Any = found
        self._append({"file": name, "size": stamp[0], "mtime_ns": stamp[1], **asdict(values)})
        return found

    def _append(self, line: dict[str, object]) -> None:
        # Without a place to keep it the next run looks again, which costs time and nothing else.
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"\n{json.dumps(line)}")  # after a line that a killed run left unfinished


def _read(path: Path, kind: Callable[..., Found]) -> dict[str, tuple[Stamp, Found]]:
    known: dict[str, tuple[Stamp, Found]] = {}
    try:
        lines = text_lines(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return known
    for line in lines:
        try:
            values = json.loads(line)
            name, stamp = values.pop("file"), (values.pop("size"), values.pop("mtime_ns"))
            known[name] = stamp, kind(**values)
        except (ValueError, TypeError, KeyError, AttributeError):
            continue  # blank, or cut off by a kill: that file is looked at anew
    return known
