"""The address that a server listens on, and how many connections it takes there."""

from __future__ import annotations

import os
import socket
import weakref
from typing import Any

from shared.errors import InputError
from ui.quiet import Rarely

MOST_CONNECTIONS = 256
"""Open at once, where the system gives a process four times as many descriptors."""


class Listener(socket.socket):
    """A socket that closes what comes beyond a number of connections, so that descriptors are left for files."""

    def __init__(self, *words: Any, **named: Any) -> None:
        super().__init__(*words, **named)
        self._accepted: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._most = most_connections()
        self._rarely = Rarely()

    def accept(self) -> tuple[socket.socket, Any]:
        """Take the next connection.

        Raises:
            ConnectionAbortedError: It was closed again, since there are too many.
        """
        connection, address = super().accept()
        if sum(one.fileno() >= 0 for one in self._accepted) >= self._most:
            connection.close()
            self._rarely.tell(f"{self._most} connections are open, and no more are taken: close some")
            raise ConnectionAbortedError
        self._accepted.add(connection)
        return connection, address


def most_connections() -> int:
    """A quarter of the descriptors that this process may open, at most `MOST_CONNECTIONS`."""
    if os.name != "posix":
        return MOST_CONNECTIONS
    import resource

    return min(MOST_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4)


def listen(host: str, port: int) -> Listener:
    """A socket on an address that nobody else has.

    Raises:
        InputError: somebody has, or the address is none of this machine's.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = Listener(family, kind)
    except OSError as error:
        raise InputError(f"host {host} is no address of this machine: {error.strerror}") from error
    try:
        if os.name == "posix":  # a server that was killed leaves its connections behind, not the address
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(socket.SOMAXCONN)
    except OSError as error:
        listener.close()
        raise InputError(
            f"port {port} on {host} cannot be used: {error.strerror}; give another --port"
        ) from error
    return listener
