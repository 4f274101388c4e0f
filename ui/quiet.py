"""A server whose log holds neither what a stranger can repeat at will nor what only its end causes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Generator
from typing import Any

import uvicorn

from shared.console import note

EVERY = 60.0
"""Seconds between two lines of one kind."""

SILENCE = 15.0
"""Seconds until a connection has to have asked for something."""

_UNSAID = ("Unsupported upgrade request", "No supported WebSocket library", "Cancel %s running task(s)")
"""How uvicorn's messages about protocols that nobody offers and streams that the server's end cuts off begin."""


class Rarely:
    """Says each line aloud once a minute at most."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}

    def is_due(self, line: str) -> bool:
        """Whether a line was not said within the last minute; from now on it was."""
        now = time.monotonic()
        if line in self._told and now - self._told[line] < EVERY:
            return False
        self._told[line] = now
        return True

    def tell(self, line: str) -> None:
        """Say a line aloud, if it is due."""
        if self.is_due(line):
            note(line)


class LogFilter(logging.Filter):
    """Lets faults pass, and each kind of warning once a minute."""

    def __init__(self) -> None:
        super().__init__()
        self._rarely = Rarely()

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter`."""
        if record.exc_info:
            return not isinstance(record.exc_info[1], asyncio.CancelledError)
        return not record.msg.startswith(_UNSAID) and self._rarely.is_due(record.msg)


class LoopErrors:
    """Says in one line what the system refuses an event loop, such as descriptors; the rest is for asyncio to say."""

    def __init__(self) -> None:
        self._rarely = Rarely()

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """See `asyncio.loop.set_exception_handler`."""
        error = context.get("exception")
        if isinstance(error, OSError):
            self._rarely.tell(f"{context['message']}: {error.strerror or error}")
        else:
            loop.default_exception_handler(context)


class QuietServer(uvicorn.Server):
    """Ends its event loop before it raises the signals that ended it, and everything that runs there before that.

    Connections that ask for nothing are closed, so that they keep nobody else out.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._silent: dict[Any, float] = {}

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what comes, until interrupted."""
        logging.getLogger("uvicorn.error").addFilter(LogFilter())
        with super().capture_signals():
            asyncio.run(self.serve(sockets))

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        asyncio.get_running_loop().set_exception_handler(LoopErrors())
        await super().serve(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Nothing: `run` captures them, outside of the loop."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """See uvicorn."""
        now = time.monotonic()
        silent = [one for one in self.server_state.connections if getattr(one, "cycle", self) is None]
        self._silent = {one: self._silent.get(one, now) for one in silent}
        for one, since in self._silent.items():
            if now - since >= SILENCE:
                one.transport.close()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn, which leaves the app unaware of a second interrupt."""
        await super().shutdown(sockets)
        if self.force_exit:
            await self.lifespan.shutdown()
