"""The queue's SQLite file: its tables, connections for any thread, and the locks that keep it to one server."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self

from shared.errors import InputError, ResourceError
from shared.media.files import make_folders

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
        """Open it, or make it.

        Args:
            path: of its file; the folder is made when it is missing.

        Raises:
            InputError: it is no file, another program's, of another version, or cannot be written.
        """
        self.path = path.absolute()
        self._local = threading.local()
        with _refusing(path, "a database of jobs"):
            if path.exists() and not path.is_file():
                raise InputError(f"{path} is no file: a database of jobs is kept in one, such as jobs.db")
            if path.exists():
                _check_owner(path)
            make_folders(self.path.parent)
            with self.writing() as connection:
                if not _version(connection):
                    for statement in filter(str.strip, _TABLES.split(";")):
                        connection.execute(statement)
                    connection.execute(f"PRAGMA user_version = {VERSION}")

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


def _version(connection: sqlite3.Connection) -> int:
    """0 where nobody gave it one."""
    return connection.execute("PRAGMA user_version").fetchone()[0]


def _check_owner(path: Path) -> None:
    """See that a database is ours, or empty, before it is changed in any way.

    Raises:
        InputError: it is another program's, or of another version.
    """
    with closing(sqlite3.connect(path, timeout=_BUSY, isolation_level=None)) as connection:
        connection.execute("BEGIN")  # one view of both
        version = _version(connection)
        is_empty = connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None
    if version == 0 and not is_empty:
        raise InputError(
            f"{path} is a database of another program: give a file of Kinora's own, or a new one"
        )
    if version not in (0, VERSION):
        raise InputError(f"{path} is of version {version}, and this Kinora reads version {VERSION}")


@contextmanager
def _refusing(path: Path, purpose: str) -> Generator[None]:
    """Say in one line what the system or SQLite refuses."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InputError(f"{path} cannot be used as {purpose}: {reason}") from error


class Lock:
    """A file beside a database that one process at a time holds, until its block or the process ends in any way."""

    def __init__(self, database: Path, role: str, seconds: float, held: str) -> None:
        """Take it.

        Args:
            database: the path of a `Database`.
            role: which of its locks; the file's name ends with it.
            seconds: to wait for another process.
            held: the message where another one keeps it.

        Raises:
            InputError: it stays taken, or cannot be made.
        """
        path = database.with_name(f"{database.name}.{role}")
        with _refusing(path, "a lock"):
            self._connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
            self._take(time.monotonic() + seconds, held)

    def _take(self, until: float, held: str) -> None:
        while True:
            try:
                self._connection.execute("BEGIN EXCLUSIVE")
                return
            except sqlite3.Error as error:
                is_taken = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
                if is_taken and time.monotonic() < until:
                    time.sleep(0.05)
                    continue
                self._connection.close()
                if is_taken:
                    raise InputError(held) from error
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()
