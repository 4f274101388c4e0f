"""The queue of jobs: what users do with it, and what workers do with it, each in one transaction.

A job is claimed by one worker; its results are claimed by the moves that `finish` records before they happen, so
that whoever comes after a crash completes them instead of making anything twice.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from shared.config import shorten
from shared.errors import InputError
from ui.commands import find_command
from ui.files import Files
from ui.jobs.database import Database
from ui.jobs.job import ENDED, WAITING, Job, Progress, State, Wish

_COLUMNS = (
    "id, command, settings, state, position, created, seed, progress, wish, error, results, notes, revision, "
    "started, ended"
)
_SEEDS = 2**32
MOST_NOTES = 50


class JobNotFoundError(InputError):
    """There is no job of this id."""


class Queue:
    """The jobs of one output folder; safe to use from any thread and process."""

    def __init__(self, database: Path, files: Files) -> None:
        self.files = files
        self.database = Database(database)

    # -- looking -------------------------------------------------------------------------------------------

    def version(self) -> int:
        """A number that grows with every change."""
        return self.database.connection().execute("SELECT revision FROM counter").fetchone()[0]

    def get(self, id: str) -> Job:
        """A job.

        Raises:
            JobNotFoundError: there is none, or it was deleted.
        """
        row = self._rows("WHERE id = ? AND state != 'deleted'", id)
        if not row:
            raise JobNotFoundError(f"there is no job {shorten(id)}: it was deleted, or never there")
        return row[0]

    def list(self, *states: State) -> Sequence[Job]:
        """All jobs, or those in some states, in the order of the queue."""
        wanted = states or ("queued", "running", "paused", *ENDED)
        return self._rows(f"WHERE state IN ({', '.join('?' * len(wanted))}) ORDER BY position", *wanted)

    def events(self, after: int = 0, id: str | None = None) -> Sequence[Job]:
        """The jobs that changed since a revision, as they are now, oldest change first.

        Args:
            after: the greatest revision that is known already; 0 for all.
            id: of the only job to look at.
        """
        one = () if id is None else (id,)
        return self._rows(f"WHERE revision > ? {'AND id = ? ' if one else ''}ORDER BY revision", after, *one)

    def folder(self, id: str) -> Path:
        """Where a job leaves what is not its result: checkpoints, the preview, parts."""
        return self.files.private / "jobs" / id

    def preview(self, id: str) -> Path | None:
        """An animated picture of what a job is making, or was when it stopped; None before its third step."""
        path = self.folder(id) / "preview.webp"
        return path if path.is_file() else None

    def _rows(self, condition: str, *values: Any) -> Sequence[Job]:
        found = self.database.connection().execute(f"SELECT {_COLUMNS} FROM jobs {condition}", values)
        return [_job(row) for row in found]

    # -- what users do -------------------------------------------------------------------------------------

    def submit(self, command: str, settings: Mapping[str, Any], ticket: str | None = None) -> Job:
        """Put a job at the end of the queue.

        Args:
            command: see `ui.commands`.
            settings: JSON values; files by their names in the output folder.
            ticket: the caller's own name for it; whoever comes again with one gets the job that is there.

        Raises:
            InputError: the command or a setting is refused.
            ResourceError: the disk is full.
        """
        if ticket is not None:
            known = self._rows("WHERE ticket = ?", ticket)
            if known:
                return known[0]
        kept, seed = self._checked(command, settings)
        with self.database.writing() as connection:
            last = connection.execute("SELECT max(position) FROM jobs").fetchone()[0] or 0
            row = (command, kept, last + 1, time.time(), seed, _next_revision(connection), ticket)
            while True:
                id = time.strftime("%y%m%d-%H%M%S-") + secrets.token_hex(2)
                try:
                    connection.execute(
                        "INSERT INTO jobs (id, command, settings, state, position, created, seed, revision, ticket) "
                        "VALUES (?, ?, ?, 'queued', ?, ?, ?, ?, ?)",
                        (id, *row),
                    )
                    break
                except sqlite3.IntegrityError:
                    found = connection.execute("SELECT id FROM jobs WHERE ticket = ?", (ticket,)).fetchone()
                    if found is not None:  # the same caller was here at the same moment
                        id = found[0]
                        break
        return self.get(id)

    def edit(self, id: str, settings: Mapping[str, Any]) -> Job:
        """Give a job that waits other settings.

        Raises:
            InputError: it does not wait, or a setting is refused.
        """
        job = self.get(id)
        kept, seed = self._checked(job.command, settings)
        if seed is not None and job.seed is not None:
            seed = job.seed
        with self.database.writing() as connection:
            self._change(connection, id, WAITING, "be edited", settings=kept, seed=seed)
        return self.get(id)

    def copy(self, id: str) -> Job:
        """Submit the settings of a job once more; a seed that they leave open is drawn anew."""
        job = self.get(id)
        return self.submit(job.command, job.settings)

    def move(self, id: str, place: int) -> Job:
        """Put a job that waits at a place among those that do, counted from 0."""
        with self.database.writing() as connection:
            waiting = self.list(*WAITING)
            order = [job.id for job in waiting if job.id != id]
            order.insert(min(max(place, 0), len(order)), id)
            self._change(connection, id, WAITING, "be moved")
            for job, moved in zip(waiting, order, strict=True):
                if job.id != moved:
                    self._change(connection, moved, WAITING, "be moved", position=job.position)
        return self.get(id)

    def cancel(self, id: str) -> Job:
        """Stop a job within one step; its preview and its checkpoint stay."""
        return self._wish(id, "cancel", dict.fromkeys(WAITING, "cancelled"))

    def pause(self, id: str) -> Job:
        """Let a job stand still: within one step, and out of memory, or before it begins."""
        return self._wish(id, "pause", {"queued": "paused", "paused": "paused"})

    def go_on(self, id: str) -> Job:
        """Let a job that stands still, failed or was cancelled go on from its last step."""
        with self.database.writing() as connection:
            states: tuple[State, ...] = ("paused", "failed", "cancelled")
            self._change(connection, id, states, "go on", state="queued", wish=None, error=None, ended=None)
        return self.get(id)

    def delete(self, id: str) -> None:
        """Take a job out of the queue, stopping it first; its results stay."""
        job = self._wish(id, "delete", dict.fromkeys((*WAITING, *ENDED), "deleted"))
        if job.state == "deleted":
            self._forget(id)

    def _wish(self, id: str, wish: Wish, at_once: Mapping[State, State]) -> Job:
        """What happens at once to a job that waits, and at its next step to one that runs."""
        with self.database.writing() as connection:
            job = self.get(id)
            if job.state in at_once:
                state = at_once[job.state]
                ended = {"ended": time.time()} if state in ENDED and job.state not in ENDED else {}
                self._change(connection, id, (job.state,), wish, state=state, wish=None, **ended)
            else:
                self._change(connection, id, ("running",), f"be asked to {wish}", wish=wish)
        return self._rows("WHERE id = ?", id)[0]

    def _checked(self, command: str, settings: Mapping[str, Any]) -> tuple[str, int | None]:
        """The settings as JSON, and a seed where they leave it open."""
        request = find_command(command).request(settings, self.files.path)
        try:
            kept = json.dumps(dict(settings), allow_nan=False, ensure_ascii=False)
        except (TypeError, ValueError) as error:
            raise InputError(f"settings are JSON values: {error}") from error
        open_seed = getattr(request, "seed", 0) is None
        return kept, secrets.randbelow(_SEEDS) if open_seed else None

    def _forget(self, id: str) -> None:
        shutil.rmtree(self.folder(id), ignore_errors=True)

    # -- what workers do -----------------------------------------------------------------------------------

    def recover(self) -> None:
        """Put what a worker left behind back to work; nobody else may be working.

        Jobs whose results were complete are finished, others wait at their old place, and those whose owner wished
        them stopped are.
        """
        for job in self._rows("WHERE state = 'running' ORDER BY position"):
            if self.finish_moves(job.id):
                continue
            then: dict[Wish | None, State] = {"pause": "paused", "cancel": "cancelled", "delete": "deleted"}
            self.leave(job.id, then.get(job.wish, "queued"))

    def claim(self) -> Job | None:
        """Take the first job that waits; None where none does."""
        if self.database.connection().execute("SELECT 1 FROM jobs WHERE state = 'queued'").fetchone() is None:
            return None
        with self.database.writing() as connection:
            row = connection.execute(
                "SELECT id FROM jobs WHERE state = 'queued' ORDER BY position LIMIT 1"
            ).fetchone()
            if row is None:
                return None
            now = time.time()
            self._change(
                connection,
                row["id"],
                ("queued",),
                "begin",
                state="running",
                started=now,
                error=None,
                wish=None,
                notes="[]",
            )
        return self.get(row["id"])

    def wish_of(self, id: str) -> Wish | None:
        """What a running job was asked to do."""
        row = self.database.connection().execute("SELECT wish FROM jobs WHERE id = ?", (id,)).fetchone()
        return row["wish"]

    def tell(self, id: str, progress: Progress) -> None:
        """Say where a running job stands."""
        with self.database.writing() as connection:
            self._change(connection, id, ("running",), "make progress", progress=json.dumps(asdict(progress)))

    def note(self, id: str, line: str) -> None:
        """Add to what is said aloud about a running job."""
        with self.database.writing() as connection:
            row = connection.execute("SELECT notes FROM jobs WHERE id = ?", (id,)).fetchone()
            notes = [*json.loads(row["notes"]), line][:MOST_NOTES]
            self._change(connection, id, ("running",), "say anything", notes=json.dumps(notes))

    def leave(self, id: str, state: State, error: str | None = None) -> None:
        """End a running job, or its turn, without results."""
        with self.database.writing() as connection:
            ended = time.time() if state in ENDED else None
            self._change(
                connection, id, ("running",), "end", state=state, wish=None, error=error, ended=ended
            )
        if state == "deleted":
            self._forget(id)

    def finish(self, id: str, results: Iterable[Path], made: Path) -> None:
        """Bring what a job made into the output folder and call it done.

        Args:
            id: of a job that runs.
            results: what was asked for, in `made`.
            made: a folder whose entries all belong to the job; their names in the output folder begin with its id.
        """
        names = [f"{id}-{path.relative_to(made).as_posix()}" for path in results]
        moves = {entry.name: f"{id}-{entry.name}" for entry in sorted(made.iterdir()) if entry.name[0] != "."}
        about = {"folder": made.relative_to(self.files.folder).as_posix(), "moves": moves}
        with self.database.writing() as connection:
            self._change(
                connection, id, ("running",), "end", results=json.dumps(names), moves=json.dumps(about)
            )
        self.finish_moves(id)

    def finish_moves(self, id: str) -> bool:
        """Carry out the moves that `finish` recorded, if it did; what has been moved already stays."""
        row = self.database.connection().execute("SELECT moves FROM jobs WHERE id = ?", (id,)).fetchone()
        if row["moves"] is None:
            return False
        recorded = json.loads(row["moves"])
        made = self.files.folder / recorded["folder"]
        for name, target in recorded["moves"].items():
            if (made / name).exists():
                (made / name).replace(self.files.folder / target)
        with self.database.writing() as connection:
            self._change(
                connection, id, ("running",), "end",
                state="done", wish=None, moves=None, ended=time.time(), progress="{}",
            )  # fmt: skip
        self._forget(id)
        return True

    def _change(
        self, connection: sqlite3.Connection, id: str, states: tuple[State, ...], doing: str, **columns: Any
    ) -> None:
        """Set columns of a job that is in one of some states.

        Raises:
            JobNotFoundError: there is no such job.
            InputError: it is in another state.
        """
        row = connection.execute("SELECT state FROM jobs WHERE id = ?", (id,)).fetchone()
        if row is None or row["state"] == "deleted":
            raise JobNotFoundError(f"there is no job {shorten(id)}: it was deleted, or never there")
        if row["state"] not in states:
            raise InputError(f"job {id} is {row['state']} and cannot {doing}")
        columns["revision"] = _next_revision(connection)
        changes = ", ".join(f"{name} = ?" for name in columns)
        connection.execute(f"UPDATE jobs SET {changes} WHERE id = ?", (*columns.values(), id))


def _next_revision(connection: sqlite3.Connection) -> int:
    return connection.execute("UPDATE counter SET revision = revision + 1 RETURNING revision").fetchone()[0]


def _job(row: sqlite3.Row) -> Job:
    values = dict(row)
    values["settings"] = json.loads(values["settings"])
    values["progress"] = Progress(**json.loads(values["progress"]))
    for name in ("results", "notes"):
        values[name] = tuple(json.loads(values[name]))
    return Job(**values)
