"""Uploads, results and previews over HTTP; nothing outside of the output folder has a name here."""

from __future__ import annotations

import mimetypes
import secrets
import zipfile
from pathlib import Path
from typing import Annotated

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import APIRouter, Request
from fastapi import Path as InPath
from fastapi.responses import FileResponse, Response
from starlette.background import BackgroundTask
from starlette.datastructures import UploadFile

from shared.errors import InputError
from shared.media.limits import MOST_AT_ONCE
from ui.api.errors import REFUSALS
from ui.jobs.files import FileNotThereError, Files, is_linked_elsewhere
from ui.jobs.moving import PREVIEWS, moving_preview
from ui.jobs.queue import Queue

SHOWN = (
    "video/",
    "image/png",
    "image/jpeg",
    "image/webp",
    "image/gif",
    "audio/",
    "text/plain",
    "application/json",
)
"""Kinds that a browser may show; everything else it saves, so that no file runs as a page of ours."""

_HEADERS = {"x-content-type-options": "nosniff", "content-security-policy": "default-src 'none'; sandbox"}
_UPLOAD = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "string", "format": "binary"}},
}
_FORM = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _UPLOAD}}}}


def router(queue: Queue, files: Files) -> APIRouter:
    """The routes of an output folder."""
    routes = APIRouter(tags=["files"], responses=REFUSALS)
    turns = CapacityLimiter(MOST_AT_ONCE)  # so that uploads that wait for their decoder hold no thread

    @routes.post("/api/uploads", status_code=201, openapi_extra=_FORM)
    async def upload(request: Request) -> dict[str, str]:
        """Keep a picture, clip, sound or text; the answer has its name for a job's settings."""
        async with request.form(max_files=1, max_fields=8) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile) or not file.filename:
                raise InputError("a form with the field file is wanted, a file with its name")
            return {"name": await run_sync(files.keep, file.file, file.filename, limiter=turns)}

    @routes.get("/api/files/{name:path}", response_class=FileResponse)
    def show_file(name: str) -> Response:
        """A result or an upload, by its name in the output folder; ranges are answered."""
        return _sent(files.path(name), files)

    @routes.get("/api/jobs/{id}/results/{number}", response_class=FileResponse)
    def show_result(id: str, number: Annotated[int, InPath(ge=0, le=10_000)]) -> Response:
        """A job's result, counted from 0; a folder of pictures comes as a ZIP."""
        names = queue.get(id).results
        if number >= len(names):
            raise FileNotThereError(
                f"job {id} has {len(names)} results, counted from 0: there is no {number}"
            )
        return _sent(files.path(names[number]), files)

    for path, endpoint in (
        ("/api/files/{name:path}", show_file),
        ("/api/jobs/{id}/results/{number}", show_result),
    ):
        routes.add_api_route(path, endpoint, methods=["HEAD"], include_in_schema=False)

    @routes.get("/api/previews/{name:path}", response_class=FileResponse)
    def show_moving_preview(name: str) -> Response:
        """A small animated WebP of a film that browsers do not play."""
        path = moving_preview(files.path(name), files.private / PREVIEWS)
        return FileResponse(path, media_type="image/webp", headers={**_HEADERS, "cache-control": "no-cache"})

    @routes.get("/api/jobs/{id}/preview", response_class=Response)
    def show_preview(id: str) -> Response:
        """An animated WebP of what a job is making, from its third step on, or was when it stopped."""
        path = queue.preview(queue.get(id).id)
        if path is None:
            raise FileNotThereError(f"job {id} has no preview: they come from the third step on")
        picture = path.read_bytes()  # at once: the job may replace it at any time with one of another length
        return Response(picture, media_type="image/webp", headers={**_HEADERS, "cache-control": "no-store"})

    return routes


def _sent(path: Path, files: Files) -> Response:
    if path.is_dir():
        archive = _archived(path, files.private / "archives")
        return FileResponse(
            archive,
            media_type="application/zip",
            filename=f"{path.name}.zip",
            headers=_HEADERS,
            background=BackgroundTask(archive.unlink, missing_ok=True),
        )
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    shown = kind.startswith(SHOWN)
    return FileResponse(
        path,
        media_type=kind if shown else "application/octet-stream",
        filename=path.name,
        content_disposition_type="inline" if shown else "attachment",
        headers=_HEADERS,
    )


def _archived(folder: Path, place: Path) -> Path:
    """A ZIP with a folder's files, those of deeper folders left out."""
    place.mkdir(parents=True, exist_ok=True)
    archive = place / f"{secrets.token_hex(8)}.zip"
    with zipfile.ZipFile(archive, "w") as written:  # pictures are compressed already
        for file in sorted(folder.iterdir()):
            if file.is_file() and not file.is_symlink() and not is_linked_elsewhere(file):
                written.write(file, file.name)
    return archive
