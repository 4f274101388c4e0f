"""Every refusal is `{"error": "one line"}` with a status; a trace never leaves the server."""

from __future__ import annotations

import json
import traceback
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from shared.config import shorten
from shared.errors import InputError, KinoraError, ResourceError
from ui.jobs.files import FileNotThereError
from ui.jobs.store import JobNotFoundError, JobStateError

STATUSES: tuple[tuple[type[KinoraError], int], ...] = (
    (JobNotFoundError, 404),
    (FileNotThereError, 404),
    (JobStateError, 409),
    (ResourceError, 507),
    (KinoraError, 422),
)
"""The first class that fits an error decides."""


class Refusal(BaseModel):
    """What was wrong, the value, and what would be right."""

    error: str


REFUSALS: dict[int | str, dict[str, Any]] = {
    404: {"model": Refusal, "description": "there is no such job or file"},
    409: {"model": Refusal, "description": "the job is in a state in which this cannot be done"},
    422: {"model": Refusal, "description": "a setting or a file is refused"},
}


def register(app: FastAPI) -> None:
    """Let an app answer in this way, whatever goes wrong."""
    app.add_exception_handler(KinoraError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _fault)


def status_of(error: KinoraError) -> int:
    """The status that goes with an error of ours."""
    return next(status for kind, status in STATUSES if isinstance(error, kind))


async def json_body(request: Request) -> Any:
    """The body of a request.

    Raises:
        InputError: it is not JSON.
    """
    try:
        return json.loads(await request.body(), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the body is not JSON: {shorten(str(error), 120)}") from error


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number in JSON")


def _line(status: int, text: str) -> JSONResponse:
    return JSONResponse({"error": " ".join(text.encode("utf-8", "replace").decode().split())}, status)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, KinoraError)
    return _line(status_of(error), str(error))


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return _line(422, f"{where}: {first['msg']}")


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    said = (
        error.detail
        if error.status_code not in (404, 405)
        else f"{request.method} {request.url.path} is no route"
    )
    return _line(error.status_code, str(said))


async def _fault(request: Request, error: Exception) -> JSONResponse:
    traceback.print_exception(error)
    return _line(500, f"{type(error).__name__} (a fault of Kinora's own; the server's output says more)")
