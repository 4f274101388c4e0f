"""A server that speaks OpenAI's protocol: vLLM, llama.cpp, SGLang, or one in the network.

Nothing is sent unless the user gave an address. Whatever comes back is a stranger's: time, size and shape are
bounded, and every failure is one line that says what to do.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx2

from apps.prompt_rewrite.backends import OnText, Task
from apps.prompt_rewrite.instructions import messages
from shared.config import shorten
from shared.errors import InputError, ResourceError

ANSWER_TOKENS = 1024
LARGEST_ANSWER = 1 << 20
"""Bytes of one answer, the protocol's own included."""

LONGEST_TEXT = 16_000
"""Characters of one answer; more is a model that does not stop."""

PAUSE = 0.5
"""Seconds before the second try; each further pause is twice as long."""

BUSY = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Statuses after which it is worth to try again."""


class _TryAgain(Exception):
    """A failure that may be gone in a moment."""


class ServerBackend:
    """Asks `url`/chat/completions, as a stream."""

    name = "server"
    strict = False

    def __init__(self, url: str, model: str, key: str | None, timeout: float, retries: int) -> None:
        self.address = f"{url.rstrip('/')}/chat/completions"
        self.model, self.key, self.timeout, self.retries = model, key, timeout, retries
        parts = urlsplit(url)
        self.name_of_server = f"server {parts.scheme}://{parts.hostname}" + (
            f":{parts.port}" if parts.port else ""
        )

    def propose(self, task: Task, on_text: OnText | None = None) -> str:
        """See `Backend`."""
        body = {
            "model": self.model,
            "messages": messages(task, examples=True),
            "max_tokens": ANSWER_TOKENS,
            "temperature": 0,
            "stream": True,
        }
        for number in range(self.retries + 1):
            try:
                return self._ask(body, on_text)
            except _TryAgain as failure:
                reason = str(failure)
            if number < self.retries:
                time.sleep(PAUSE * 2**number)
        tries = "1 try" if self.retries == 0 else f"{self.retries + 1} tries"
        raise ResourceError(f"{self.name_of_server} {reason} ({tries}): start it, or choose another backend")

    def close(self) -> None:
        """Nothing is held between two prompts."""

    def _ask(self, body: dict[str, Any], on_text: OnText | None) -> str:
        headers = {"accept-encoding": "identity"}
        if self.key:
            headers["authorization"] = f"Bearer {self.key}"
        patience = httpx2.Timeout(self.timeout, connect=min(self.timeout, 10.0))
        deadline = time.monotonic() + self.timeout
        try:
            with (
                httpx2.Client(timeout=patience) as client,
                client.stream("POST", self.address, json=body, headers=headers) as response,
            ):
                self._check_status(response)
                lines = self._lines(response, deadline)
                if "json" in response.headers.get("content-type", ""):
                    return self._whole(b"".join(lines))
                return self._streamed(lines, on_text)
        except httpx2.ConnectError as error:
            raise _TryAgain(f"cannot be reached: {error}") from error
        except httpx2.TimeoutException as error:
            raise self._slow() from error
        except httpx2.HTTPError as error:
            raise _TryAgain(f"broke off in the middle of its answer: {error}") from error

    def _check_status(self, response: httpx2.Response) -> None:
        status = response.status_code
        if status == 200:
            return
        if status in BUSY:
            raise _TryAgain(f"answers {status} {response.reason_phrase}")
        if status in (401, 403):
            raise InputError(f"{self.name_of_server} refuses the key ({status}): give another key")
        said = shorten(next(response.iter_raw(400), b"").decode("utf-8", "replace"), 120)
        raise InputError(
            f"{self.name_of_server} answers {status} to model {shorten(self.model)}: {said}; "
            "check url (it mostly ends in /v1) and model"
        )

    def _lines(self, response: httpx2.Response, deadline: float) -> Iterator[bytes]:
        size, rest = 0, b""
        for block in response.iter_raw():
            size += len(block)
            if size > LARGEST_ANSWER:
                raise ResourceError(f"{self.name_of_server} does not stop: over {LARGEST_ANSWER} bytes came")
            if time.monotonic() > deadline:
                raise self._slow()
            *lines, rest = (rest + block).split(b"\n")
            yield from lines
        if rest:
            yield rest

    def _streamed(self, lines: Iterator[bytes], on_text: OnText | None) -> str:
        """The text of server-sent events, each with a piece of the answer."""
        text, reason = "", None
        for line in lines:
            data = line.strip()
            if not data or data.startswith(b":"):
                continue
            if not data.startswith(b"data:"):
                if data.startswith((b"event:", b"id:", b"retry:")):
                    continue
                raise self._nonsense(data)
            data = data.removeprefix(b"data:").strip()
            if data == b"[DONE]":
                reason = reason or "stop"
                break
            choice = self._choice(data)
            piece = (choice.get("delta") or {}).get("content") or ""
            text += piece
            if len(text) > LONGEST_TEXT:
                raise ResourceError(
                    f"{self.name_of_server} does not stop: over {LONGEST_TEXT} characters came"
                )
            if piece and on_text:
                on_text(piece)
            reason = choice.get("finish_reason") or reason
        return self._finished(text, reason)

    def _whole(self, data: bytes) -> str:
        """The text of an answer that came in one piece."""
        choice = self._choice(data)
        return self._finished((choice.get("message") or {}).get("content"), choice.get("finish_reason"))

    def _choice(self, data: bytes) -> dict[str, Any]:
        """The first choice of an answer; the last event of a stream may have none."""
        try:
            answer = json.loads(data)
        except (ValueError, RecursionError) as error:
            if data.startswith(b"{") and not data.endswith(b"}"):
                raise _TryAgain("broke off in the middle of its answer") from error
            raise self._nonsense(data) from error
        if isinstance(answer, dict) and answer.get("error"):
            raise InputError(f"{self.name_of_server} answers with an error: {shorten(answer['error'], 120)}")
        choices = answer.get("choices") if isinstance(answer, dict) else None
        if choices == []:
            return {}
        if not isinstance(choices, list) or not isinstance(choices[0], dict):
            raise self._nonsense(data)
        for part in ("delta", "message"):
            held = choices[0].get(part) or {}
            if not isinstance(held, dict) or not isinstance(held.get("content") or "", str):
                raise self._nonsense(data)
        return choices[0]

    def _finished(self, text: Any, reason: Any) -> str:
        if reason is None:
            raise _TryAgain("broke off in the middle of its answer")
        if reason == "length":
            raise ResourceError(f"{self.name_of_server} was not done after {ANSWER_TOKENS} tokens")
        if not isinstance(text, str) or not text.strip():
            raise ResourceError(f"{self.name_of_server} gave an empty answer")
        return text

    def _slow(self) -> ResourceError:
        return ResourceError(
            f"{self.name_of_server} gave no whole answer within {self.timeout:g} seconds: raise timeout"
        )

    def _nonsense(self, data: bytes) -> ResourceError:
        said = shorten(data[:400].decode("utf-8", "replace"), 80)
        return ResourceError(f"{self.name_of_server} does not speak OpenAI's protocol: it said {said}")
