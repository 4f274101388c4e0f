"""A job's host: progress goes to the queue, latents to disk, and a wish ends the run at its next step."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foundation.runtime.host import Host, Watcher
from shared.errors import ResourceError
from ui.jobs.checkpoints import Checkpoints, fingerprint
from ui.jobs.claims import Claims
from ui.jobs.job import Job, Progress, Wish
from ui.jobs.models import Models

if TYPE_CHECKING:
    from torch import Tensor

    from foundation.flow.sampler import Step

TELL_EVERY = 0.2
"""Seconds between two lines of progress."""


class Stopped(Exception):
    """The job's owner wished it."""

    def __init__(self, wish: Wish) -> None:
        super().__init__(wish)
        self.wish: Wish = wish


class JobHost(Host):
    """Carries out one job.

    Attributes:
        results: the files that were asked for and are there.
        runs: of the sampler that were begun.
    """

    def __init__(self, claims: Claims, job: Job, models: Models) -> None:
        self.about = {"job": job.id}
        self._claims, self._job, self._models = claims, job, models
        self.checkpoints = Checkpoints(claims.folder(job.id) / "checkpoints")
        self.runs = 0
        self.results: list[Path] = []

    def load(self, open_model: Callable[..., Any], model: str, *words: Any, **settings: Any) -> Any:
        """See `Host.load`; a model that the job before used is there already."""
        self.stop_where_wished()
        self.tell(Progress("loading"))
        return self._models.load(open_model, model, *words, **settings)

    def made(self, path: Path) -> None:
        """See `Host.made`; results stand in the job when all of them are there."""
        self.results.append(path)

    @contextlib.contextmanager
    def sampling(self, total: int, label: str) -> Generator[Watcher]:
        """See `Host.sampling`."""
        self.stop_where_wished()
        self.tell(Progress(label, 0, total))
        yield JobWatcher(self, self._models, self._claims.folder(self._job.id), total, label)
        self.tell(Progress("finishing"))

    def tell(self, progress: Progress) -> None:
        """Progress is no reason to fail: a full disk is found by the result."""
        with contextlib.suppress(ResourceError):
            self._claims.tell(self._job.id, progress)

    def stop_where_wished(self) -> None:
        """End the run if that was asked for.

        Raises:
            Stopped: it was.
        """
        wish = self._claims.wish_of(self._job.id)
        if wish is not None:
            raise Stopped(wish)


class JobWatcher(Watcher):
    """Watches the runs of the sampler behind one bar."""

    def __init__(self, host: JobHost, models: Models, folder: Path, total: int, label: str) -> None:
        super().__init__(self._told)
        self._host, self._total, self._label = host, total, label
        self._previewer = None
        if models.colors is not None:
            from ui.jobs.preview import Previewer

            self._previewer = Previewer(folder / "preview.webp", models.colors)
        self._done = self._skipped = 0
        self._begun, self._last_told = time.perf_counter(), 0.0
        self._run: str | None = None

    def resume(self, noise: Tensor, sigmas: Tensor) -> tuple[Tensor, int]:
        """See `foundation.flow.sampler.ResumableCallback`."""
        self._host.runs += 1
        self._run = fingerprint(noise, sigmas)
        latents, start = self._host.checkpoints.load(self._host.runs, noise, sigmas) or (noise, 0)
        if start:
            self.latents = latents
            self._done, self._skipped = self._done + start, self._skipped + start
        return latents, start

    def _told(self, step: Step, latents: Tensor, denoised: Tensor) -> None:
        self._done = step.index + 1 if step.total == self._total else self._done + 1
        if self._run is not None:
            self._host.checkpoints.save(self._host.runs, self._run, latents, step.index + 1)
        try:
            self._host.stop_where_wished()
        except Stopped:
            if self._previewer is not None:
                self._previewer.write(denoised)
            raise
        if self._previewer is not None:
            self._previewer.show(denoised, self._done)
        now = time.perf_counter()
        if now - self._last_told >= TELL_EVERY or self._done in (1, self._total):
            self._last_told = now
            self._host.tell(self._progress(now))

    def _progress(self, now: float) -> Progress:
        rate = (self._done - self._skipped) / max(now - self._begun, 1e-6)
        left = (self._total - self._done) / rate if rate > 0 else None
        return Progress(self._label, self._done, self._total, rate, left)
