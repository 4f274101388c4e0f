"""What workers do with the queue of jobs.

A job is claimed by one worker; its results are claimed by the moves that `finish` records before they happen, so
that whoever comes after a crash completes them instead of making anything twice.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from shared.media.files import refusal
from ui.jobs.job import AFTER_WISH, ENDED, Job, Progress, State, Wish
from ui.jobs.store import Store

MOST_NOTES = 50


class Claims(Store):
    """The jobs of one output folder, for whoever carries them out."""

    def recover(self) -> None:
        """Put what a worker left behind back to work; nobody else may be working.

        Jobs whose results were complete are finished, others wait at their old place, and those whose owner wished
        them stopped are.
        """
        for job in self.list("running"):
            self.settle(job.id, "queued")

    def settle(self, id: str, state: State, error: str | None = None) -> None:
        """Finish a running job whose results were complete; leave it in a state, or where it was wished, otherwise.

        Raises:
            KinoraError: the output folder takes no files.
        """
        if not self.finish_moves(id):
            self.leave(id, state, error)

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
            fresh = {"state": "running", "started": time.time(), "error": None, "wish": None, "notes": "[]"}
            self.change(connection, row["id"], ("queued",), "begin", **fresh)
        return self.get(row["id"])

    def wish_of(self, id: str) -> Wish | None:
        """What a running job was asked to do."""
        row = self.database.connection().execute("SELECT wish FROM jobs WHERE id = ?", (id,)).fetchone()
        return row["wish"]

    def tell(self, id: str, progress: Progress) -> None:
        """Say where a running job stands."""
        with self.database.writing() as connection:
            self.change(connection, id, ("running",), "make progress", progress=json.dumps(asdict(progress)))

    def note(self, id: str, line: str) -> None:
        """Add to what is said aloud about a running job."""
        with self.database.writing() as connection:
            row = connection.execute("SELECT notes FROM jobs WHERE id = ?", (id,)).fetchone()
            notes = [*json.loads(row["notes"]), line][:MOST_NOTES]
            self.change(connection, id, ("running",), "say anything", notes=json.dumps(notes))

    def leave(self, id: str, state: State, error: str | None = None) -> None:
        """End a running job, or its turn, without results; what its owner wished comes before `state` and `error`."""
        with self.database.writing() as connection:
            wish = self.wish_of(id)
            if wish is not None:
                state, error = AFTER_WISH[wish], None
            ended = time.time() if state in ENDED else None
            self.change(connection, id, ("running",), "end", state=state, wish=None, error=error, ended=ended)
        if state == "deleted":
            self.forget(id)

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
            self.change(
                connection, id, ("running",), "end", results=json.dumps(names), moves=json.dumps(about)
            )
        self.finish_moves(id)

    def finish_moves(self, id: str) -> bool:
        """Carry out the moves that `finish` recorded, if it did; what has been moved already stays.

        Raises:
            KinoraError: the output folder takes no files.
        """
        row = (
            self.database.connection().execute("SELECT moves, wish FROM jobs WHERE id = ?", (id,)).fetchone()
        )
        if row["moves"] is None:
            return False
        recorded = json.loads(row["moves"])
        made = self.files.folder / recorded["folder"]
        for name, target in recorded["moves"].items():
            try:
                if (made / name).exists():
                    (made / name).replace(self.files.folder / target)
            except OSError as error:
                raise refusal(error, Path(target)) from error
        state = "deleted" if row["wish"] == "delete" else "done"
        over = {"state": state, "wish": None, "moves": None, "ended": time.time(), "progress": "{}"}
        with self.database.writing() as connection:
            self.change(connection, id, ("running",), "end", **over)
        self.forget(id)
        return True
