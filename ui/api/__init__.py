"""The server's HTTP side: one FastAPI app with the jobs, the files, and OpenAI's protocol for the rewriter."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import metadata

from fastapi import FastAPI

from ui.api import chat, errors, events, files, jobs
from ui.api.auth import Auth
from ui.api.rewriter import Rewriter
from ui.jobs.files import Files
from ui.jobs.queue import Queue


def create_app(
    queue: Queue,
    store: Files,
    credentials: tuple[str, str] | None = None,
    private: bool = True,
    largest_upload: int = 1 << 30,
) -> FastAPI:
    """The app; whoever has it may mount a page at `/` behind everything here.

    Args:
        queue: where jobs go.
        store: the output folder.
        credentials: see `ui.api.auth.Auth`, as the next two.
        private: see there.
        largest_upload: bytes.
    """
    rewriter = Rewriter()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        yield
        await rewriter.close()

    app = FastAPI(
        title="Kinora",
        version=metadata.version("kinora"),
        summary="Jobs that become clips and sounds, and a rewriter of prompts.",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=lifespan,
        redirect_slashes=False,
    )
    errors.register(app)
    app.include_router(jobs.router(queue))
    app.include_router(events.router(queue))
    app.include_router(files.router(queue, store))
    app.include_router(chat.router(rewriter))
    app.add_middleware(Auth, credentials=credentials, private=private, largest_upload=largest_upload)
    return app
