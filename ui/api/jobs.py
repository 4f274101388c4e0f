"""Jobs over HTTP: submit, list, edit, copy, move, pause, go on, cancel, delete."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header
from fastapi.responses import Response

from ui.api.errors import REFUSALS, json_body
from ui.api.schemas import command_schema
from ui.jobs.commands import JobCommand, job_commands
from ui.jobs.job import Job, State
from ui.jobs.queue import Queue

Settings = Annotated[Any, Depends(json_body)]
Ticket = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=200,
        description="the caller's own name for the job: sent again, it gives the job that is there",
    ),
]


def router(queue: Queue) -> APIRouter:
    """The routes of a queue."""
    routes = APIRouter(tags=["jobs"], responses=REFUSALS)

    @routes.get("/api/commands")
    def list_commands() -> list[dict[str, Any]]:
        """What jobs can run, with the schema of their settings and those that name files."""
        return [
            {"name": one.name, "help": one.help, "files": one.files(), "settings": command_schema(one)}
            for one in job_commands().values()
        ]

    for command in job_commands().values():
        routes.post(
            f"/api/jobs/{command.name}",
            status_code=201,
            summary=command.help,
            operation_id=f"submit_{command.name}",
            openapi_extra=_body(command),
        )(_submitter(queue, command.name))

    @routes.post("/api/jobs/{command}", include_in_schema=False)
    def submit_unknown(command: str, settings: Settings) -> Job:
        return queue.submit(command, settings)

    @routes.get("/api/jobs")
    def list_jobs(state: State | None = None) -> Sequence[Job]:
        """All jobs in the order of the queue, or those in one state."""
        return queue.list(*(() if state is None else (state,)))

    @routes.get("/api/jobs/{id}")
    def show_job(id: str) -> Job:
        """One job."""
        return queue.get(id)

    @routes.patch("/api/jobs/{id}", openapi_extra={"requestBody": _json({"type": "object"})})
    def edit_job(id: str, settings: Settings) -> Job:
        """Give a job that waits other settings, all of them."""
        return queue.edit(id, settings)

    @routes.delete("/api/jobs/{id}", status_code=204)
    def delete_job(id: str) -> Response:
        """Take a job out of the queue, stopping it first; its results stay."""
        queue.delete(id)
        return Response(status_code=204)

    @routes.post("/api/jobs/{id}/cancel")
    def cancel_job(id: str) -> Job:
        """Stop a job within a few seconds; its preview stays, and it can go on."""
        return queue.cancel(id)

    @routes.post("/api/jobs/{id}/pause")
    def pause_job(id: str) -> Job:
        """Let a job stand still, its memory freed."""
        return queue.pause(id)

    @routes.post("/api/jobs/{id}/go-on")
    def go_on(id: str) -> Job:
        """Let a job that stands still, failed or was cancelled go on from its last step."""
        return queue.go_on(id)

    @routes.post("/api/jobs/{id}/copy", status_code=201)
    def copy_job(id: str) -> Job:
        """Submit a job's settings once more."""
        return queue.copy(id)

    @routes.post("/api/jobs/{id}/move")
    def move_job(id: str, place: Annotated[int, Body(embed=True, ge=0, le=1_000_000)]) -> Job:
        """Put a job that waits at a place among those that do, counted from 0."""
        return queue.move(id, place)

    return routes


def _submitter(queue: Queue, command: str) -> Callable[..., Job]:
    def submit(settings: Settings, ticket: Ticket = None) -> Job:
        return queue.submit(command, settings, ticket)

    return submit


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _body(command: JobCommand) -> dict[str, Any]:
    return {"requestBody": _json(command_schema(command))}
