"""A job as everybody sees it: the queue's rows, the answers over HTTP, the page."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["queued", "running", "paused", "done", "failed", "cancelled", "deleted"]
Wish = Literal["pause", "cancel", "delete"]

WAITING: tuple[State, ...] = ("queued", "paused")
"""What has not begun, or stands still; it can be edited, copied, moved."""

ENDED: tuple[State, ...] = ("done", "failed", "cancelled")

AFTER_WISH: dict[Wish, State] = {"pause": "paused", "cancel": "cancelled", "delete": "deleted"}
"""The state in which a job is left whose owner wished it stopped."""


@dataclass(frozen=True)
class Progress:
    """Where a running job stands.

    Attributes:
        stage: what is done in these steps: `loading`, `denoising`, ...
        step: finished steps.
        total: of this stage; 0 where it has none.
        rate: steps a second; 0 where nothing tells yet.
        seconds_left: of this stage; None where nothing tells yet.
    """

    stage: str = ""
    step: int = 0
    total: int = 0
    rate: float = 0.0
    seconds_left: float | None = None


@dataclass(frozen=True)
class Job:
    """One request in the queue.

    Attributes:
        id: such as `261122-044215-9f3c`; the files that it makes begin with it.
        command: what it runs, see `ui.jobs.commands`.
        settings: as they were asked for, files by their names in the output folder.
        state: where it stands.
        position: its place among all that wait; lower comes first.
        created: when it was submitted, seconds since 1970.
        seed: of its first result where the settings leave it open; None for commands without one.
        progress: of a job that runs or was interrupted.
        wish: what a running job was asked to do, at its next step or a few seconds later.
        error: why it failed, in one line.
        results: names in the output folder, the ones that were asked for.
        notes: what was said aloud: what was adjusted, chosen, left out.
        revision: grows with every change of any job.
        started: when it was last begun.
        ended: when it reached its last state.
    """

    id: str
    command: str
    settings: dict[str, Any]
    state: State
    position: float
    created: float
    seed: int | None
    progress: Progress
    wish: Wish | None
    error: str | None
    results: tuple[str, ...]
    notes: tuple[str, ...]
    revision: int
    started: float | None
    ended: float | None

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes by itself."""
        return self.state in (*ENDED, "deleted")

    def as_json(self) -> dict[str, Any]:
        """The job as JSON values."""
        return {**asdict(self), "results": list(self.results), "notes": list(self.notes)}
