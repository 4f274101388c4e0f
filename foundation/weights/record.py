"""The sha256 of large files, kept so that a run does not hash 26 GB again.

One small JSON file holds, per path, size, time of change and sha256, and the sha256 that was seen first. A file
is hashed anew when its size or time differ, or when it is asked for; what was seen first stays until somebody
accepts the change, so that a flipped byte is still named after a run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Generator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from shared.config import local_path
from shared.errors import KinoraError
from shared.media.files import refusal, replacing

BLOCK = 1 << 22
RECORD_FILE = "sha256.json"


@dataclass(frozen=True)
class Entry:
    """What is known of one file; `first` is the sha256 that it should have."""

    size: int
    mtime_ns: int
    sha256: str
    first: str


def cache_folder() -> Path:
    """Where Kinora keeps what it can make again: `KINORA_CACHE`, or `kinora` in the user's cache folder."""
    own = os.environ.get("KINORA_CACHE")
    if own:
        return local_path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "kinora"


def file_sha256(path: Path) -> str:
    """Hex sha256 of a file.

    Raises:
        InputError: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
    except OSError as error:
        raise refusal(error, path, "read") from error
    return digest.hexdigest()


class Record:
    """Known hashes by path."""

    def __init__(self, entries: dict[str, Entry]) -> None:
        self.entries = entries
        self.changed = False

    def sha256(self, path: Path, fresh: bool = False) -> str:
        """The file's sha256, hashed only when it is not known, when the file changed, or when `fresh`."""
        key, stat = str(path.resolve()), path.stat()
        known = self.entries.get(key)
        if known and not fresh and (known.size, known.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
            return known.sha256
        digest = file_sha256(path)
        self._keep(key, Entry(stat.st_size, stat.st_mtime_ns, digest, known.first if known else digest))
        return digest

    def first(self, path: Path) -> str | None:
        """The sha256 that the file should have; None for a file that was never seen."""
        known = self.entries.get(str(path.resolve()))
        return known.first if known else None

    def find(self, sha256: str) -> Path | None:
        """A file that is known by this sha256 and still has it; None where there is none."""
        for key in [key for key, entry in self.entries.items() if entry.sha256 == sha256]:
            if Path(key).is_file() and self.sha256(Path(key)) == sha256:
                return Path(key)
        return None

    def accept(self, path: Path) -> str:
        """Hash the file, and take its sha256 for the one that it should have from now on."""
        digest = self.sha256(path, fresh=True)
        key = str(path.resolve())
        self._keep(key, replace(self.entries[key], first=digest))
        return digest

    def _keep(self, key: str, entry: Entry) -> None:
        if self.entries.get(key) != entry:
            self.entries[key] = entry
            self.changed = True


@contextlib.contextmanager
def open_record() -> Generator[Record]:
    """The record, written back when something was added; a damaged one is begun anew."""
    path = cache_folder() / RECORD_FILE
    record = Record(_read(path))
    try:
        yield record
    finally:
        if record.changed:
            # Without a place to keep it the next run hashes again, which costs time and nothing else.
            with contextlib.suppress(KinoraError), replacing(path) as temporary:
                entries = {key: asdict(entry) for key, entry in sorted(record.entries.items())}
                temporary.write_text(json.dumps(entries, indent=1) + "\n")


def _read(path: Path) -> dict[str, Entry]:
    try:
        values = json.loads(path.read_text())
        return {key: Entry(**entry) for key, entry in values.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
