"""The rewriter in OpenAI's protocol: `/v1/models` and `/v1/chat/completions`, whole or streamed."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from collections.abc import AsyncGenerator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, Response, StreamingResponse

from shared.config import one_of, shorten
from shared.errors import InputError, KinoraError
from ui.api.errors import json_body, status_of
from ui.api.rewriter import Rewriter

Mode = Literal["normal", "master"]
MODELS: dict[str, Mode] = {"kinora-rewrite": "normal", "kinora-rewrite-master": "master"}
"""Name of the model -> mode of the rewriter."""

KEEP_ALIVE = 5.0
"""Seconds after which a stream that has nothing yet shows that it lives."""


def router(rewriter: Rewriter) -> APIRouter:
    """The routes of OpenAI's protocol."""
    routes = APIRouter(tags=["rewriter"])

    @routes.get("/v1/models")
    def list_models() -> dict[str, Any]:
        """The rewriter's modes, as models."""
        return {"object": "list", "data": [_model(name) for name in MODELS]}

    @routes.get("/v1/models/{name}")
    def show_model(name: str) -> Response:
        """One of them."""
        if name in MODELS:
            return JSONResponse(_model(name))
        return _refused(InputError(f"model must be {one_of(MODELS)}, not {shorten(name)}"), 404)

    @routes.post("/v1/chat/completions", openapi_extra=_BODY)
    async def complete(body: Annotated[Any, Depends(json_body)]) -> Response:
        """Rewrite the last message, which is the user's; what has been said before has no meaning for it."""
        try:
            prompt, name, streamed = _read(body)
            if streamed:
                answers = _streamed(rewriter, prompt, name)
                return StreamingResponse(answers, media_type="text/event-stream")
            text = await rewriter(prompt, MODELS[name])
        except KinoraError as error:
            return _refused(error, 400 if isinstance(error, InputError) else status_of(error))
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return JSONResponse(_answer("chat.completion", name, choice))

    return routes


_MESSAGE = {
    "type": "object",
    "required": ["role", "content"],
    "properties": {"role": {"type": "string"}, "content": {"type": "string"}},
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["model", "messages"],
                    "properties": {
                        "model": {"enum": list(MODELS)},
                        "messages": {"type": "array", "items": _MESSAGE},
                        "stream": {"type": "boolean", "default": False},
                    },
                }
            }
        },
    }
}


def _read(body: Any) -> tuple[str, str, bool]:
    """Prompt, model and whether to stream.

    Raises:
        InputError: the body is of another shape.
    """
    if not isinstance(body, dict):
        raise InputError(f"the body is an object, not {shorten(body)}")
    name, messages, streamed = body.get("model"), body.get("messages"), body.get("stream")
    if not isinstance(name, str) or name not in MODELS:
        raise InputError(f"model must be {one_of(MODELS)}, not {shorten(name)}")
    if body.get("n") not in (None, 1):
        raise InputError(f"n must be 1, not {shorten(body['n'])}: a prompt has one rewrite")
    if streamed not in (None, True, False):
        raise InputError(f"stream must be true or false, not {shorten(streamed)}")
    last = messages[-1] if isinstance(messages, list) and messages else None
    if not isinstance(last, dict) or last.get("role") != "user":
        raise InputError(
            "messages must be a list whose last entry is the user's, with the prompt as its content"
        )
    return _text(last.get("content")), name, bool(streamed)


def _text(content: Any) -> str:
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
    texts = [
        part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None for part in parts
    ]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise InputError(f"content must be text, not {shorten(content)}")
    return "\n".join(text for text in texts if text is not None)


async def _streamed(rewriter: Rewriter, prompt: str, name: str) -> AsyncGenerator[str]:
    """The rewrite word by word, once it is compared with the prompt: before, it could still be taken back."""
    asked = asyncio.ensure_future(rewriter(prompt, MODELS[name]))
    try:
        while not (await asyncio.wait([asked], timeout=KEEP_ALIVE))[0]:
            yield ": rewriting\n\n"
        text = asked.result()
    except KinoraError as error:
        yield f"data: {json.dumps(_error(error))}\n\n"
        return
    finally:
        asked.cancel()
    answer = _answer("chat.completion.chunk", name, {})
    deltas = [
        {"role": "assistant", "content": ""},
        *({"content": piece} for piece in re.findall(r"\S+\s*|\s+", text)),
    ]
    for delta in deltas:
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        yield f"data: {json.dumps({**answer, 'choices': [choice]})}\n\n"
    yield f"data: {json.dumps({**answer, 'choices': [{'index': 0, 'delta': {}, 'finish_reason': 'stop'}]})}\n\n"
    yield "data: [DONE]\n\n"


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "kinora"}


def _answer(kind: str, name: str, choice: dict[str, Any]) -> dict[str, Any]:
    about = {
        "id": f"chatcmpl-{secrets.token_hex(12)}",
        "object": kind,
        "created": int(time.time()),
        "model": name,
    }
    return {**about, "choices": [choice]}


def _error(error: KinoraError) -> dict[str, Any]:
    kind = "invalid_request_error" if isinstance(error, InputError) else "server_error"
    return {"error": {"message": str(error), "type": kind, "param": None, "code": None}}


def _refused(error: KinoraError, status: int) -> JSONResponse:
    return JSONResponse(_error(error), status)
