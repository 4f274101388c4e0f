"""Talks to a server of `kinora serve`, over lost connections and restarts."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import httpx2

from shared.config import shorten
from shared.errors import InputError, ResourceError
from shared.media.files import refusal, replacing
from ui.settings import PASSWORD_VARIABLE, USER_VARIABLE

PATIENCE = 60.0
"""Seconds in which a server that has answered before may come back."""

FIRST_PATIENCE = 5.0
"""Seconds for its first answer."""

PAUSE = 0.5
TIMEOUT = httpx2.Timeout(60.0, connect=10.0)
OVER = ("done", "failed", "cancelled", "deleted")

Answer = TypeVar("Answer")


class Client:
    """Talks to a server, and waits for one that is being started again."""

    def __init__(self, url: str, patience: float = FIRST_PATIENCE) -> None:
        """Take an address; nothing is sent yet.

        Args:
            url: of the server, user and password in it or in the environment.
            patience: seconds for its first answer.

        Raises:
            InputError: it is no address.
        """
        try:
            parts = urlsplit(url)
            fits = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1) > 0
        except ValueError:
            fits = False
        if not fits:
            raise InputError(f"server must be like http://127.0.0.1:7860, not {shorten(url)}")
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        self.address = f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
        user = parts.username or os.environ.get(USER_VARIABLE)
        password = parts.password or os.environ.get(PASSWORD_VARIABLE)
        auth = (user, password) if user and password else None
        self._http = httpx2.Client(base_url=self.address, auth=auth, timeout=TIMEOUT)
        self._patience = patience

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self._http.close()

    def submit(self, command: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Submit a job, once, however often the server has to be asked."""
        ticket = {"Idempotency-Key": secrets.token_hex(16)}
        return self.ask("POST", f"/api/jobs/{command}", json=dict(values), headers=ticket).json()

    def upload(self, path: Path) -> str:
        """Send a file; its name on the server comes back."""
        if path.is_dir():
            raise InputError(f"{path} is a folder: with a server, name one file at a time")
        try:
            data = path.read_bytes()
        except OSError as error:
            raise refusal(error, path, "read") from error
        return self.ask("POST", "/api/uploads", files={"file": (path.name, data)}).json()["name"]

    def events(self, id: str) -> Iterator[dict[str, Any]]:
        """A job as it changes, from now until it is over, over lost connections too."""
        last = 0
        while True:
            lines = self._patiently(lambda: self._open_events(id, last))  # noqa: B023
            with contextlib.suppress(httpx2.TransportError), contextlib.closing(lines):
                for line in lines:
                    if line.startswith("data: "):
                        job = json.loads(line.removeprefix("data: "))
                        last = job["revision"]
                        yield job
                        if job["state"] in OVER:
                            return
            time.sleep(PAUSE)

    def fetch(self, address: str, path: Path) -> None:
        """Bring a file here, whole or not at all."""
        with replacing(path) as temporary:
            self._patiently(lambda: self._save(address, temporary))

    def ask(self, method: str, address: str, **about: Any) -> httpx2.Response:
        """One request and its answer.

        Raises:
            InputError: the server refuses; the line is its own.
            ResourceError: it cannot be reached, or breaks.
        """

        def once() -> httpx2.Response:
            response = self._http.request(method, address, **about)
            self._check(response)
            return response

        return self._patiently(once)

    def _open_events(self, id: str, last: int) -> Generator[str]:
        """The lines of a stream that answered."""
        address = f"/api/jobs/{quote(id)}/events"
        request = self._http.build_request("GET", address, headers={"Last-Event-ID": str(last)})
        response = self._http.send(request, stream=True)
        self._check(response)

        def lines() -> Generator[str]:
            with contextlib.closing(response):
                yield from response.iter_lines()

        return lines()

    def _save(self, address: str, path: Path) -> None:
        with self._http.stream("GET", address) as response, path.open("wb") as file:
            self._check(response)
            for block in response.iter_bytes():
                file.write(block)

    def _check(self, response: httpx2.Response) -> None:
        if response.is_success:
            return
        response.read()
        try:
            line = str(response.json()["error"])
        except (ValueError, KeyError, TypeError):
            line = f"status {response.status_code}, which no server of Kinora's says"
        kind = ResourceError if response.status_code >= 500 else InputError
        raise kind(f"{self.address}: {line}")

    def _patiently(self, ask: Callable[[], Answer]) -> Answer:
        """Ask again for as long as the server may be starting."""
        until = time.monotonic() + self._patience
        while True:
            try:
                answer = ask()
                self._patience = PATIENCE
                return answer
            except httpx2.TransportError as error:
                if time.monotonic() >= until:
                    raise ResourceError(
                        f"{self.address} cannot be reached: {str(error) or type(error).__name__}; is it started?"
                    ) from error
                time.sleep(PAUSE)
