"""`kinora serve`: jobs over HTTP, kept through crashes, on this machine or behind a password."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from shared.config import from_argv
from shared.console import result, run
from shared.interrupts import leave_interrupts_to_others
from ui.settings import ServerSettings, from_environment

if TYPE_CHECKING:
    from fastapi import FastAPI

    from ui.jobs.files import Files
    from ui.jobs.queue import Queue

Page = Callable[["FastAPI", "Queue", "Files"], "FastAPI"]
"""Mounts a page behind the routes of an app."""

PATIENCE = 2
"""Seconds for open connections when the server ends."""


def main(argv: list[str]) -> None:
    """Serve until interrupted.

    Raises:
        KinoraError: A flag, the output folder, the database or the address is refused.
    """
    serve(read(argv, "kinora serve", "Jobs over HTTP: clips, sounds and rewrites."))


def read(argv: Sequence[str], prog: str, description: str) -> ServerSettings:
    """The settings of a command line and of the environment."""
    return from_environment(from_argv(ServerSettings, argv, prog, description), os.environ)


def serve(
    settings: ServerSettings, page: Page | None = None, worker_program: Sequence[str] | None = None
) -> None:
    """Listen, work, and answer, until interrupted.

    Args:
        settings: where, and for whom.
        page: mounts more behind the routes; None serves them alone.
        worker_program: the words that start a worker; None: Kinora's own.

    Raises:
        InputError: another server has the address or the database, or the folder cannot be written.
    """
    import uvicorn

    from ui.api import create_app
    from ui.jobs.claims import Claims
    from ui.jobs.database import Lock
    from ui.jobs.files import Files
    from ui.jobs.process import PROGRAM, WorkerProcess
    from ui.jobs.queue import Queue
    from ui.listener import listen
    from ui.quiet import QuietServer

    files = Files(settings.out)
    queue = Queue(settings.database or files.private / "jobs.db", files)
    database = queue.database.path
    taken = f"{database} is in use by another server: stop it, or give another --database or --out"
    with listen(settings.host, settings.port) as listener, Lock(database, "server", 0, taken):
        files.sweep()
        limit = settings.largest_upload * 1_000_000
        app = create_app(queue, files, settings.credentials, settings.is_private, limit)
        app = app if page is None else page(app, queue, files)
        config = uvicorn.Config(
            app,
            log_level="warning",
            ws="none",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=PATIENCE,
        )
        with WorkerProcess(Claims(database, files), worker_program or PROGRAM):
            result(f"http://{_address(listener)}")
            leave_interrupts_to_others()
            QuietServer(config).run([listener])


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
