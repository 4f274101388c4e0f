"""What happens to jobs, as server-sent events: each is a job as it is now, with its revision for an id."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from ui.api.errors import REFUSALS
from ui.jobs.queue import Queue

POLL = 0.1
"""Seconds between two looks at the queue."""

KEEP_ALIVE = 15.0
"""Seconds of silence after which a comment shows that the connection lives."""

Revision = Annotated[int, Query(ge=0, le=2**63 - 1, description="the last revision that is known already")]
LastEvent = Annotated[str | None, Header(alias="Last-Event-ID")]


def router(queue: Queue) -> APIRouter:
    """The routes of a queue's events."""
    routes = APIRouter(tags=["events"], responses=REFUSALS)

    @routes.get("/api/events", response_class=StreamingResponse)
    def all_events(after: Revision = 0, last: LastEvent = None) -> StreamingResponse:
        """Every job that changes, and first those that changed since `after`."""
        return _streamed(_events(queue, _since(after, last), None))

    @routes.get("/api/jobs/{id}/events", response_class=StreamingResponse)
    def events_of_job(id: str, after: Revision = 0, last: LastEvent = None) -> StreamingResponse:
        """One job's changes, the present state first; the stream ends when the job is over."""
        queue.get(id)
        return _streamed(_events(queue, _since(after, last), id))

    return routes


def _since(after: int, last: str | None) -> int:
    known = last is not None and last.isascii() and last.isdigit() and len(last) < 19
    return int(last) if known and last is not None else after


def _streamed(events: AsyncGenerator[str]) -> StreamingResponse:
    return StreamingResponse(events, media_type="text/event-stream", headers={"cache-control": "no-store"})


async def _events(queue: Queue, after: int, id: str | None) -> AsyncGenerator[str]:
    seen, last_word = -1, time.monotonic()
    while True:
        version = await run_in_threadpool(queue.version)
        jobs = await run_in_threadpool(queue.events, after, id) if version != seen else ()
        seen = version
        for job in jobs:
            after, last_word = job.revision, time.monotonic()
            yield f"id: {job.revision}\nevent: job\ndata: {json.dumps(job.as_json())}\n\n"
            if id is not None and job.is_over:
                return
        if time.monotonic() - last_word > KEEP_ALIVE:
            last_word = time.monotonic()
            yield ": nothing new\n\n"
        await asyncio.sleep(POLL)
