"""`kinora models check`: is every weights file still what it was?"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from foundation.weights.reading import read_tensors
from foundation.weights.record import Record, open_record
from shared.errors import KinoraError


@dataclass(frozen=True)
class Finding:
    """What became of one file since it was first hashed."""

    name: str
    state: Literal["unchanged", "recorded", "changed", "damaged"]
    reason: str = ""

    @property
    def holds(self) -> bool:
        """Whether there is nothing to complain of."""
        return self.state in ("unchanged", "recorded")


def check_files(files: Mapping[str, Path], accept: bool = False) -> Generator[Finding]:
    """Hash every weights file anew and see that it opens, file by file.

    Args:
        files: by the name under which they are reported.
        accept: take what is there for what should be there.
    """
    with open_record() as record:
        for name, path in files.items():
            yield _check_file(record, name, path, accept)


def _check_file(record: Record, name: str, path: Path, accept: bool) -> Finding:
    first = record.first(path)
    try:
        read_tensors(path)
        digest = record.accept(path) if accept else record.sha256(path, fresh=True)
    except KinoraError as error:
        return Finding(name, "damaged", str(error))
    if first is None or accept:
        return Finding(name, "recorded", digest[:12])
    return Finding(name, "unchanged" if digest == first else "changed", f"{first[:12]} -> {digest[:12]}")
