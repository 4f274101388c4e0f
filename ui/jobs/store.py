"""The rows of the queue: how jobs are read, and the one way in which they change."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shared.config import shorten
from shared.errors import InputError
from ui.jobs.database import Database
from ui.jobs.files import Files
from ui.jobs.job import ENDED, Job, Progress, State

_COLUMNS = (
    "id, command, settings, state, position, created, seed, progress, wish, error, results, notes, revision, "
    "started, ended"
)


class JobNotFoundError(InputError):
    """There is no job of this id."""


class JobStateError(InputError):
    """The job is in a state in which this cannot be done."""


class Store:
    """The jobs of one output folder; safe to use from any thread and process."""

    def __init__(self, database: Path, files: Files) -> None:
        self.files = files
        self.database = Database(database)

    def version(self) -> int:
        """A number that grows with every change."""
        return self.database.connection().execute("SELECT revision FROM counter").fetchone()[0]

    def get(self, id: str) -> Job:
        """A job.

        Raises:
            JobNotFoundError: there is none, or it was deleted.
        """
        row = self.rows("WHERE id = ? AND state != 'deleted'", id)
        if not row:
            raise JobNotFoundError(f"there is no job {shorten(id)}: it was deleted, or never there")
        return row[0]

    def list(self, *states: State) -> Sequence[Job]:
        """All jobs, or those in some states, in the order of the queue."""
        wanted = states or ("queued", "running", "paused", *ENDED)
        return self.rows(f"WHERE state IN ({', '.join('?' * len(wanted))}) ORDER BY position", *wanted)

    def events(self, after: int = 0, id: str | None = None) -> Sequence[Job]:
        """The jobs that changed since a revision, as they are now, oldest change first.

        Args:
            after: the greatest revision that is known already; 0 for all.
            id: of the only job to look at.
        """
        one = () if id is None else (id,)
        return self.rows(f"WHERE revision > ? {'AND id = ? ' if one else ''}ORDER BY revision", after, *one)

    def folder(self, id: str) -> Path:
        """Where a job leaves what is not its result: checkpoints, the preview, parts."""
        return self.files.private / "jobs" / id

    def preview(self, id: str) -> Path | None:
        """An animated picture of what a job is making, or was when it stopped; None before its third step."""
        path = self.folder(id) / "preview.webp"
        return path if path.is_file() else None

    def rows(self, condition: str, *values: Any) -> Sequence[Job]:
        """The jobs for which a condition in SQL holds."""
        found = self.database.connection().execute(f"SELECT {_COLUMNS} FROM jobs {condition}", values)
        return [_job(row) for row in found]

    def forget(self, id: str) -> None:
        """Remove what a job left beside its results."""
        shutil.rmtree(self.folder(id), ignore_errors=True)

    def change(
        self, connection: sqlite3.Connection, id: str, states: tuple[State, ...], doing: str, **columns: Any
    ) -> None:
        """Set columns of a job that is in one of some states.

        Raises:
            JobNotFoundError: there is no such job.
            JobStateError: it is in another state.
        """
        row = connection.execute("SELECT state FROM jobs WHERE id = ?", (id,)).fetchone()
        if row is None or row["state"] == "deleted":
            raise JobNotFoundError(f"there is no job {shorten(id)}: it was deleted, or never there")
        if row["state"] not in states:
            raise JobStateError(f"job {id} is {row['state']} and cannot {doing}")
        columns["revision"] = next_revision(connection)
        changes = ", ".join(f"{name} = ?" for name in columns)
        connection.execute(f"UPDATE jobs SET {changes} WHERE id = ?", (*columns.values(), id))


def next_revision(connection: sqlite3.Connection) -> int:
    """The number of the change that is being made."""
    return connection.execute("UPDATE counter SET revision = revision + 1 RETURNING revision").fetchone()[0]


def _job(row: sqlite3.Row) -> Job:
    values = dict(row)
    values["settings"] = json.loads(values["settings"])
    values["progress"] = Progress(**json.loads(values["progress"]))
    for name in ("results", "notes"):
        values[name] = tuple(json.loads(values[name]))
    return Job(**values)
