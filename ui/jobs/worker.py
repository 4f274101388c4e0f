"""The worker: a process that takes one job after the other and outlives none of its failures.

`python -m ui.jobs.worker DATABASE FOLDER` is started by the server, and ends when its standard input does, however
the server ended.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, TypeVar

from shared.console import PROGRAM, note
from shared.errors import InputError, KinoraError, ResourceError
from ui.jobs.claims import Claims
from ui.jobs.commands import find_command
from ui.jobs.database import Lock
from ui.jobs.files import Files
from ui.jobs.host import JobHost, Stopped
from ui.jobs.job import AFTER_WISH, Job, State
from ui.jobs.models import Models, give_memory_back

POLL = 0.1
"""Seconds between two looks for work."""

IDLE = 600.0
"""Seconds without work after which the model is freed."""

FULL_DISK_PAUSE = 1.0
"""Seconds after which the queue is written once more."""

AFTER_CRASH = 60.0
"""Seconds to wait for the worker of a server that was killed."""

Written = TypeVar("Written")


class Worker:
    """Carries out the jobs of a queue, one at a time."""

    def __init__(self, claims: Claims) -> None:
        self.claims = claims
        self.models = Models()

    def run(self) -> None:
        """Work until the process ends."""
        idle_since = time.monotonic()
        self.claims.recover()
        while True:
            if self.work():
                idle_since = time.monotonic()
                continue
            if not self.models.is_empty and time.monotonic() - idle_since > IDLE:
                self.models.free()
            time.sleep(POLL)

    def work(self) -> bool:
        """Carry out the first job that waits; False where none does."""
        job = _until_written(self.claims.claim)
        if job is None:
            return False
        state, error = self._carried_out(job)
        if state == "paused":
            self.models.free()
        if state is not None:
            _until_written(lambda: self.claims.leave(job.id, state, error))
        give_memory_back()
        return True

    def _carried_out(self, job: Job) -> tuple[State | None, str | None]:
        """The state in which a job is left, and why; None where it is done."""
        folder = self.claims.folder(job.id)
        made = folder / "made"
        try:
            command = find_command(job.command)
            request = command.request(_with_seed(job), self.claims.files.path)
            _prepare(folder, made, job, command.keeps_parts)
            with _heard(lambda line: self.claims.note(job.id, line)):
                host = JobHost(self.claims, job, self.models)
                results = command.run(request, made, host)
            self.claims.finish(job.id, dict.fromkeys([*results, *host.results]), made)
        except Stopped as stopped:
            self.models.rest()
            return AFTER_WISH[stopped.wish], None
        except InputError as error:
            self.models.rest()
            return "failed", self._reason(error)
        except Exception as error:
            reason = self._reason(error)
        else:
            return None, None
        self.models.free()  # outside of the handler, whose trace holds on to what the run had
        return "failed", reason

    def _reason(self, error: Exception) -> str:
        """A failure in one line, without this machine's folders."""
        if isinstance(error, KinoraError):
            line = str(error)
        else:
            traceback.print_exc()
            line = f"{type(error).__name__}: {error} (a fault of Kinora's own)"
        return " ".join(line.replace(f"{self.claims.files.folder}/", "").split())


def _with_seed(job: Job) -> dict[str, Any]:
    return job.settings if job.seed is None else {**job.settings, "seed": job.seed}


def _prepare(folder: Path, made: Path, job: Job, keeps_parts: bool) -> None:
    """An empty folder for results; checkpoints and parts of the same settings stay."""
    asked = json.dumps(_with_seed(job), sort_keys=True)
    known = folder / "settings.json"
    try:
        if not known.is_file() or known.read_text(encoding="utf-8") != asked:
            shutil.rmtree(folder, ignore_errors=True)
        elif not keeps_parts:
            shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True, exist_ok=True)
        known.write_text(asked, encoding="utf-8")
    except OSError as error:
        from shared.media.files import refusal

        raise refusal(error, folder) from error


def _until_written(write: Callable[[], Written]) -> Written:
    """A full disk delays what the queue has to know; nothing is forgotten."""
    while True:
        try:
            return write()
        except ResourceError as error:
            note(str(error))
            time.sleep(FULL_DISK_PAUSE)


@contextlib.contextmanager
def _heard(hear: Callable[[str], None]) -> Generator[None]:
    """What is said aloud in the block goes to standard error and to `hear`."""
    with contextlib.redirect_stderr(_Ear(sys.stderr, hear)), contextlib.redirect_stdout(io.StringIO()):
        yield


class _Ear(io.TextIOBase):
    """Passes text on, and tells of the program's own lines."""

    def __init__(self, behind: Any, hear: Callable[[str], None]) -> None:
        self._behind, self._hear, self._line = behind, hear, ""

    def write(self, text: str) -> int:
        self._behind.write(text)
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            if line.startswith(f"{PROGRAM}: "):
                with contextlib.suppress(KinoraError):
                    self._hear(line.removeprefix(f"{PROGRAM}: "))
        return len(text)

    def flush(self) -> None:
        self._behind.flush()


def main(argv: list[str]) -> None:
    """Work on a database's queue as long as standard input is open."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    database, folder = (Path(word) for word in argv)
    claims = Claims(database, Files(folder))
    with Lock(claims.database.path, "worker", AFTER_CRASH, f"{database} has a worker already"):
        Worker(claims).run()


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
