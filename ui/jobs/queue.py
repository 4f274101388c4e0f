"""What users do with the queue of jobs, each in one transaction."""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Mapping
from typing import Any

from shared.errors import InputError
from ui.jobs.commands import find_command
from ui.jobs.job import ENDED, WAITING, Job, State, Wish
from ui.jobs.store import Store, next_revision

_SEEDS = 2**32


class Queue(Store):
    """The jobs of one output folder, for whoever submits them."""

    def submit(self, command: str, settings: Mapping[str, Any], ticket: str | None = None) -> Job:
        """Put a job at the end of the queue.

        Args:
            command: see `ui.jobs.commands`.
            settings: JSON values; files by their names in the output folder.
            ticket: the caller's own name for it; whoever comes again with one gets the job that is there.

        Raises:
            InputError: the command or a setting is refused.
            ResourceError: the disk is full.
        """
        if ticket is not None:
            known = self.rows("WHERE ticket = ?", ticket)
            if known:
                return known[0]
        kept, seed = self._checked(command, settings)
        with self.database.writing() as connection:
            last = connection.execute("SELECT max(position) FROM jobs").fetchone()[0] or 0
            row = (command, kept, last + 1, time.time(), seed, next_revision(connection), ticket)
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
            self.change(connection, id, WAITING, "be edited", settings=kept, seed=seed)
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
            self.change(connection, id, WAITING, "be moved")
            for job, moved in zip(waiting, order, strict=True):
                if job.id != moved:
                    self.change(connection, moved, WAITING, "be moved", position=job.position)
        return self.get(id)

    def cancel(self, id: str) -> Job:
        """Stop a job within a few seconds, while it loads too; its preview and its checkpoint stay."""
        return self._wish(id, "cancel", dict.fromkeys(WAITING, "cancelled"))

    def pause(self, id: str) -> Job:
        """Let a job stand still: within a few seconds, and out of memory, or before it begins."""
        return self._wish(id, "pause", {"queued": "paused", "paused": "paused"})

    def go_on(self, id: str) -> Job:
        """Let a job that stands still, failed or was cancelled go on from its last step."""
        with self.database.writing() as connection:
            states: tuple[State, ...] = ("paused", "failed", "cancelled")
            self.change(connection, id, states, "go on", state="queued", wish=None, error=None, ended=None)
        return self.get(id)

    def delete(self, id: str) -> None:
        """Take a job out of the queue, stopping it first; its results stay."""
        job = self._wish(id, "delete", dict.fromkeys((*WAITING, *ENDED), "deleted"))
        if job.state == "deleted":
            self.forget(id)

    def _wish(self, id: str, wish: Wish, at_once: Mapping[State, State]) -> Job:
        """What happens at once to a job that waits, and within a few seconds to one that runs."""
        with self.database.writing() as connection:
            job = self.get(id)
            if job.state in at_once:
                state = at_once[job.state]
                ended = {"ended": time.time()} if state in ENDED and job.state not in ENDED else {}
                self.change(connection, id, (job.state,), wish, state=state, wish=None, **ended)
            else:
                self.change(connection, id, ("running",), f"be asked to {wish}", wish=wish)
        return self.rows("WHERE id = ?", id)[0]

    def _checked(self, command: str, settings: Mapping[str, Any]) -> tuple[str, int | None]:
        """The settings as JSON, and a seed where they leave it open."""
        request = find_command(command).request(settings, self.files.path)
        try:
            kept = json.dumps(dict(settings), allow_nan=False, ensure_ascii=False)
        except (TypeError, ValueError) as error:
            raise InputError(f"settings are JSON values: {error}") from error
        open_seed = getattr(request, "seed", 0) is None
        return kept, secrets.randbelow(_SEEDS) if open_seed else None
