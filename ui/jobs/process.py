"""The server's side of the worker: started, started again when it ends, and ended when it does not follow a wish."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Self

from shared.console import note
from shared.errors import KinoraError
from ui.jobs.claims import Claims
from ui.jobs.job import State

POLL = 0.2
"""Seconds between two looks at the worker."""

GRACE = 5.0
"""Seconds that a job has to follow its owner's wish; inside a long step, or while it loads, it hears of none."""

PATIENCE = 1.0
"""Seconds before a worker that ended by itself is replaced."""

PROGRAM = (sys.executable, "-P", "-m", "ui.jobs.worker")


class WorkerProcess:
    """A worker in a process of its own: what it runs out of does not end the server, and it can always be ended."""

    def __init__(self, claims: Claims, program: Sequence[str] = PROGRAM) -> None:
        self.claims = claims
        self._words = [*program, str(claims.database.path), str(claims.files.folder)]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep_alive, daemon=True)

    def __enter__(self) -> Self:
        """Start it, and a thread that looks after it."""
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """End it; what it was doing goes on when a server is started again."""
        self._stopping.set()
        self._thread.join()

    def _keep_alive(self) -> None:
        while not self._stopping.is_set():
            try:
                process = subprocess.Popen(
                    self._words,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    process_group=0,  # Ctrl-C is for the server, with which the worker ends
                )
            except OSError as error:
                note(f"the worker cannot be started: {error.strerror}")
                self._stopping.wait(PATIENCE)
                continue
            with process:
                try:
                    deaf = self._watch(process)
                finally:
                    _end(process)
            if deaf is not None:
                note(f"job {deaf} did not stop within {GRACE:g} s: the worker is started again without it")
                self._settle("queued")
            elif not self._stopping.is_set():
                happened = _what_happened(process.returncode)
                note(f"the worker ended ({happened}) and is started again")
                self._settle("failed", f"the process that ran it ended ({happened})")
                self._stopping.wait(PATIENCE)

    def _watch(self, process: subprocess.Popen[bytes]) -> str | None:
        """Wait until a worker ends, or has to: because the server does, or because a job follows no wish.

        Returns:
            The id of that job, if there is one.
        """
        wished: dict[str, float] = {}
        while process.poll() is None:
            now = time.monotonic()
            running = self.claims.list("running")
            wished = {job.id: wished.get(job.id, now) for job in running if job.wish is not None}
            deaf = next((id for id, since in wished.items() if now - since >= GRACE), None)
            if deaf is not None or self._stopping.wait(POLL):
                return deaf
        return None

    def _settle(self, state: State, reason: str | None = None) -> None:
        """Leave what the worker was doing in a state: a job that ended its worker once would do so again."""
        for job in self.claims.list("running"):
            try:
                self.claims.settle(job.id, state, reason)
            except KinoraError as error:
                note(str(error))


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a worker and what it has started."""
    if process.poll() is not None:
        return
    if os.name == "posix":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


def _what_happened(code: int) -> str:
    if code == -signal.SIGKILL:
        return "killed; most likely memory ran out"
    return f"signal {-code}" if code < 0 else f"exit code {code}"
