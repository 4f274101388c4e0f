"""The side of the page: the stage, where a job is seen growing, and the queue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shared.config import shorten
from shared.errors import InputError
from ui.jobs import Job, Queue
from ui.jobs.commands import find_command
from ui.jobs.files import title_of
from ui.jobs.job import ENDED, WAITING
from ui.jobs.results import Result, Results
from ui.page import reuse
from ui.page.reuse import Asked
from ui.page.tabs.tab import Tab
from ui.page.views import span, view

MOST_WAITING, MOST_ENDED, MOST_RESULTS = 40, 12, 12
"""What is shown at most; the rest is counted."""


class Panel:
    """What the side of the page shows of a queue, and what its buttons do."""

    def __init__(self, queue: Queue, results: Results, tabs: tuple[Tab, ...]) -> None:
        self.queue, self.results, self.tabs = queue, results, tabs

    # -- looking -------------------------------------------------------------------------------------------

    def stage(self, chosen: str) -> str:
        """The stage.

        Args:
            chosen: a job's id; for any other text it is the running job's turn, then the newest.
        """
        jobs = {job.id: job for job in self.queue.list()}
        job = jobs.get(chosen) or _foremost(list(jobs.values()))
        if job is None:
            return view("stage", job=None)
        found = [result for result in map(self.results.find, job.results) if result is not None]
        return view(
            "stage",
            job=job,
            title=title(job),
            line=_line(job),
            percent=_percent(job),
            preview=self._preview(job),
            results=found,
            most=MOST_RESULTS,
            targets=self.targets,
            notes=job.notes,
        )

    def lane(self, chosen: str) -> str:
        """The queue: what runs and waits, then what ended, the newest first."""
        jobs = self.queue.list()
        active = [job for job in jobs if not job.is_over]
        ended = sorted((job for job in jobs if job.is_over), key=lambda job: job.ended or 0, reverse=True)
        active.sort(key=lambda job: job.state != "running")
        rows = [*active[:MOST_WAITING], *ended[:MOST_ENDED]]
        waiting = sum(job.state == "queued" for job in jobs)
        return view(
            "queue",
            rows=rows,
            chosen=chosen,
            ended=ended,
            more=len(jobs) - len(rows),
            summary=f"{waiting} waiting" if waiting else "",
            titles={job.id: title(job) for job in rows},
            lines={job.id: _line(job) for job in rows},
            percents={job.id: _percent(job) for job in rows},
        )

    def targets(self, result: Result) -> list[tuple[str, str]]:
        """Where a result can be sent."""
        return reuse.targets(result, self.tabs)

    def _preview(self, job: Job) -> str | None:
        if self.queue.preview(job.id) is None:
            return None
        return f"api/jobs/{job.id}/preview?step={job.progress.step}"

    # -- doing ---------------------------------------------------------------------------------------------

    def act(self, act: str, id: str, to: str = "") -> Asked | None:
        """Do what a button says.

        Args:
            act: the button's word.
            id: of the job, or the name of the result, that it belongs to.
            to: the command that a result is sent to.

        Returns:
            New contents for a form, where the button asks for them.

        Raises:
            InputError: it cannot be done.
        """
        if act in ("again", "send"):
            result = self._result(id)
            if act == "again":
                return reuse.of_result(result, self.queue)
            return reuse.sent(result, self._tab(to))
        if act in ("edit", "reuse"):
            job = self.queue.get(id)
            return Asked(job.command, job.settings, job.id) if act == "edit" else reuse.of_job(job)
        self._deeds().get(act, _nothing)(id)
        return None

    def repeat(self, name: str) -> Job:
        """Queue what made a result once more, with its seed.

        Raises:
            InputError: the result is gone, or its settings are refused.
        """
        asked = reuse.of_result(self._result(name), self.queue)
        return self.queue.submit(asked.command, asked.settings)

    def _tab(self, command: str) -> Tab:
        for tab in self.tabs:
            if tab.command == command:
                return tab
        raise InputError(f"no tab is called {shorten(command)}")

    def _result(self, name: str) -> Result:
        found = self.results.find(name)
        if found is None:
            raise InputError(f"{name} is not in the output folder any more: it was deleted by hand")
        if found.fault:
            raise InputError(f"{name} does not say how it was made: {found.fault}")
        return found

    def _deeds(self) -> Mapping[str, Callable[[str], Any]]:
        queue = self.queue
        return {
            "cancel": queue.cancel,
            "pause": queue.pause,
            "go_on": queue.go_on,
            "copy": queue.copy,
            "delete": queue.delete,
            "up": lambda id: self._shift(id, -1),
            "down": lambda id: self._shift(id, 1),
            "clear": lambda _: [queue.delete(job.id) for job in queue.list(*ENDED)],
        }

    def _shift(self, id: str, by: int) -> None:
        order = [job.id for job in self.queue.list(*WAITING)]
        if id not in order:
            raise InputError(f"job {id} does not wait any more, and cannot be moved")
        self.queue.move(id, max(order.index(id) + by, 0))


def title(job: Job) -> str:
    """What a job is about, in the user's words."""
    asked = job.settings
    named = [asked[name] for name in find_command(job.command).files() if isinstance(asked.get(name), str)]
    return str(asked.get("prompt") or (named and title_of(named[0])) or job.command)


def _nothing(_: str) -> None:
    """What only changes what is shown."""


def _foremost(jobs: list[Job]) -> Job | None:
    """The job worth seeing where nobody chose one."""
    running = [job for job in jobs if job.state == "running"]
    ended = sorted((job for job in jobs if job.is_over), key=lambda job: job.ended or 0)
    return next(iter([*running, *reversed(ended), *jobs]), None)


def _percent(job: Job) -> int:
    told = job.progress
    return round(100 * told.step / told.total) if told.total else 0


def _line(job: Job) -> str:
    """Where a job stands, in one line."""
    if job.state == "failed":
        return job.error or "failed"
    if job.state == "running":
        return _stands(job)
    told = job.progress
    after = f" after step {told.step} of {told.total}" if told.step and told.total else ""
    if job.state == "done":
        took = f" in {span(job.ended - job.started)}" if job.ended and job.started else ""
        return f"{find_command(job.command).name} · done{took}"
    words = {"queued": "waits", "paused": "paused", "cancelled": "stopped"}
    return f"{find_command(job.command).name} · {words.get(job.state, job.state)}{after}"


def _stands(job: Job) -> str:
    told = job.progress
    if job.wish is not None:
        return {"cancel": "stopping", "pause": "pausing"}.get(job.wish, "ending")
    parts = [told.stage or "starting"]
    if told.total:
        parts.append(f"step {told.step} of {told.total}")
    if told.rate:
        parts.append(f"{told.rate:.2g} steps/s" if told.rate >= 1 else f"{1 / told.rate:.2g} s/step")
    if told.seconds_left is not None:
        parts.append(f"{span(told.seconds_left)} left")
    return " · ".join(parts)
