"""The server's side of the worker: started, started again when it dies, and its unfinished job called failed."""

from __future__ import annotations

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

PATIENCE = 1.0
"""Seconds before a worker that ended is replaced."""

PROGRAM = (sys.executable, "-m", "ui.jobs.worker")


class WorkerProcess:
    """A worker in a process of its own, so that what it runs out of does not end the server."""

    def __init__(self, claims: Claims, program: Sequence[str] = PROGRAM) -> None:
        self.claims = claims
        self._words = [*program, str(claims.database.path), str(claims.files.folder)]
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep_alive, daemon=True)

    def __enter__(self) -> Self:
        """Start it, and a thread that looks after it."""
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """End it; what it was doing goes on when a server is started again."""
        self._stopping.set()
        if self._process is not None:
            self._process.kill()
        self._thread.join()

    def _keep_alive(self) -> None:
        while not self._stopping.is_set():
            self._process = subprocess.Popen(self._words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
            code = self._process.wait()
            if self._stopping.is_set():
                return
            note(f"the worker ended ({_what_happened(code)}) and is started again")
            self._blame(code)
            time.sleep(PATIENCE)

    def _blame(self, code: int) -> None:
        """A job that ends its worker once would do so again: it fails, and the others go on."""
        for job in self.claims.list("running"):
            reason = f"the process that ran it ended ({_what_happened(code)})"
            try:
                if not self.claims.finish_moves(job.id):
                    self.claims.leave(job.id, "failed", reason)
            except KinoraError as error:
                note(str(error))


def _what_happened(code: int) -> str:
    if code == -signal.SIGKILL:
        return "killed; most likely memory ran out"
    return f"signal {-code}" if code < 0 else f"exit code {code}"
