"""Who may ask the server, and how much: the gate that every request passes before anything reads it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from ui.settings import is_loopback

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
LARGEST_BODY = 1 << 20
"""Bytes of a request that is no upload."""

UPLOADS_PATH = "/api/uploads"


class Auth:
    """Refuses requests under a foreign name, from another site's page, without the password, or without an end.

    A page of another site may post to an address of this machine (its `Origin` tells), or reach it under a name of
    its own (the `Host` tells); neither can send the password.
    """

    def __init__(
        self, app: ASGIApp, credentials: tuple[str, str] | None, private: bool, largest_upload: int
    ) -> None:
        """Stand before an app.

        Args:
            app: what is protected.
            credentials: user and password, None where none are asked for.
            private: whether only names of this machine are accepted.
            largest_upload: bytes of the body of a request to `UPLOADS_PATH`, or to the page's own uploads.
        """
        self.app, self.private, self.largest_upload = app, private, largest_upload
        self._accepted = None if credentials is None else _accepted(*credentials)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, or answer it with one line."""
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        status, line = self._refusal(scope.get("method", "WEBSOCKET"), headers)
        if status:
            return await _answer(scope, receive, send, status, line)
        limit = self.largest_upload if scope["path"].rstrip("/") == UPLOADS_PATH else LARGEST_BODY
        if _length(headers) > limit:
            return await _answer(scope, receive, send, 413, _too_large(limit))
        return await self.app(scope, _limited(receive, limit), send)

    def _refusal(self, method: str, headers: Mapping[str, str]) -> tuple[int, str]:
        """Status and line; 0 where nothing speaks against the request."""
        host = headers.get("host", "")
        if self.private and not is_loopback(_name(host)):
            return 403, "this server answers to 127.0.0.1 and localhost only"
        origin = headers.get("origin")
        if origin is not None and method not in SAFE_METHODS and urlsplit(origin).netloc != host:
            return 403, "a page of another site may not use this server"
        if self._accepted is not None and not self._knows(headers.get("authorization", "")):
            return 401, "user and password are asked for"
        return 0, ""

    def _knows(self, given: str) -> bool:
        """Whether an authorization is ours; the time that it takes tells nothing of the password."""
        kind, _, word = given.partition(" ")
        if kind.lower() == "basic":
            try:
                word = base64.b64decode(word, validate=True).decode("latin-1")
            except (binascii.Error, ValueError):
                word = ""
        said = _digest(f"{kind.lower()} {word.strip()}".encode("latin-1", "replace"))
        assert self._accepted is not None
        return sum(secrets.compare_digest(said, accepted) for accepted in self._accepted) > 0


def _accepted(user: str, password: str) -> tuple[bytes, ...]:
    """Basic authorization by user and password, and a client of OpenAI's with the password for a key."""
    return _digest(f"basic {user}:{password}".encode()), _digest(f"bearer {password}".encode())


def _digest(said: bytes) -> bytes:
    """Of one length, whatever was said."""
    return hashlib.sha256(said).digest()


def _name(host: str) -> str:
    """The name in a `Host` header, without its port."""
    return host.split("]")[0].lstrip("[") if host.startswith("[") else host.split(":")[0]


def _length(headers: Mapping[str, str]) -> int:
    said = headers.get("content-length", "0")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 20 else 0


def _too_large(limit: int) -> str:
    return f"the request is too large: at most {limit / 1e6:.0f} MB are read"


def _limited(receive: Receive, limit: int) -> Receive:
    """`receive` that counts what came, for who does not say how much will."""
    came = 0

    async def receive_some() -> Message:
        nonlocal came
        message = await receive()
        came += len(message.get("body", b"")) if message["type"] == "http.request" else 0
        if came > limit:
            raise HTTPException(413, _too_large(limit))
        return message

    return receive_some


async def _answer(scope: Scope, receive: Receive, send: Send, status: int, line: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        return await send({"type": "websocket.close", "code": 1008, "reason": line})
    headers = {"www-authenticate": 'Basic realm="Kinora", charset="UTF-8"'} if status == 401 else None
    return await JSONResponse({"error": line}, status, headers)(scope, receive, send)
