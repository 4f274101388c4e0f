"""What the page lets a browser do: nothing but talk to the server that it came from."""

from __future__ import annotations

import re

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    )
)
"""Content-Security-Policy. Gradio's page is made of inline scripts, and its views are compiled in the browser."""

_OUTSIDE = re.compile(rb"<(?:meta|link)\b[^>]*?https?://(?!(?:127\.0\.0\.1|localhost)\b)[^>]*>")
"""Tags for other sites, such as the preview picture that social networks would show."""


class ContentSecurityPolicy:
    """Sends pages with the policy, and without tags that name other hosts; everything else passes as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] not in ("", "/"):
            await self._pass(scope, receive, send)
            return
        headers = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        begin: Message | None = None
        body = b""

        async def collect(message: Message) -> None:
            nonlocal begin, body
            if message["type"] == "http.response.start":
                begin = message
                return
            body += message.get("body", b"")
            if message.get("more_body") or begin is None:
                return
            page = _OUTSIDE.sub(b"", body)
            kept = [(name, value) for name, value in begin["headers"] if name.lower() != b"content-length"]
            added = [
                (b"content-length", str(len(page)).encode()),
                (b"content-security-policy", POLICY.encode()),
            ]
            await send({**begin, "headers": [*kept, *added, (b"referrer-policy", b"same-origin")]})
            await send({"type": "http.response.body", "body": page})

        await self.app({**scope, "headers": headers}, receive, collect)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on. A stream that is refused when it has begun, as Gradio does of an old session, ends."""
        try:
            await self.app(scope, receive, send)
        except RuntimeError as error:
            if not isinstance(error.__cause__, HTTPException):
                raise
            await send({"type": "http.response.body", "body": b""})
