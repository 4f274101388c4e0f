"""The queue's SQLite file: its tables, connections for any thread, and the locks that keep it to one server."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from shared.errors import InputError, ResourceError

VERSION = 1
_BUSY = 30.0
"""Seconds that a writer waits for another."""

_TABLES = """
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    command TEXT NOT NULL,
    settings TEXT NOT NULL,
    state TEXT NOT NULL,
    position REAL NOT NULL,
    created REAL NOT NULL,
    seed INTEGER,
    progress TEXT NOT NULL DEFAULT '{}',
    wish TEXT,
    error TEXT,
    results TEXT NOT NULL DEFAULT '[]',
    revision INTEGER NOT NULL,
    started REAL,
    ended REAL,
    notes TEXT NOT NULL DEFAULT '[]',
    ticket TEXT UNIQUE,
    moves TEXT
);
CREATE INDEX jobs_by_state ON jobs (state, position);
CREATE INDEX jobs_by_revision ON jobs (revision);
CREATE TABLE counter (revision INTEGER NOT NULL);
INSERT INTO counter VALUES (0);
"""


class Database:
    """One SQLite file in write-ahead mode, with a connection per thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self.writing() as connection:
                version = connection.execute("PRAGMA user_version").fetchone()[0]
                if version == 0:
                    for statement in filter(str.strip, _TABLES.split(";")):
                        connection.execute(statement)
                    connection.execute(f"PRAGMA user_version = {VERSION}")
        except (sqlite3.Error, OSError) as error:
            raise InputError(f"{path} cannot be used as a database of jobs: {error}") from error
        if version not in (0, VERSION):
            raise InputError(f"{path} is of version {version}, and this Kinora reads version {VERSION}")

    def connection(self) -> sqlite3.Connection:
        """This thread's connection."""
        found = getattr(self._local, "connection", None)
        if found is None:
            found = sqlite3.connect(self.path, timeout=_BUSY, isolation_level=None)
            found.row_factory = sqlite3.Row
            found.execute("PRAGMA journal_mode = WAL")
            found.execute("PRAGMA synchronous = NORMAL")
            self._local.connection = found
        return found

    @contextmanager
    def writing(self) -> Generator[sqlite3.Connection]:
        """A transaction that nobody else writes in; it is undone when the block raises.

        Raises:
            ResourceError: the disk is full.
        """
        connection = self.connection()
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except BaseException as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError) and "full" in str(error):
                raise ResourceError(
                    f"{self.path} cannot be written: the disk is full; free some space"
                ) from error
            raise


class Lock:
    """A file that one process at a time holds, until its block or the process ends in any way."""

    def __init__(self, path: Path, seconds: float, held: str) -> None:
        """Take it.

        Args:
            path: of the lock's own file.
            seconds: to wait for another process.
            held: the message where another one keeps it.

        Raises:
            InputError: it stays taken.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        until = time.monotonic() + seconds
        while True:
            try:
                self._connection.execute("BEGIN EXCLUSIVE")
                return
            except sqlite3.OperationalError as error:
                if time.monotonic() >= until:
                    self._connection.close()
                    raise InputError(held) from error
                time.sleep(0.05)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()
