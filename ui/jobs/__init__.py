"""Jobs: what is asked for, the queue that keeps them through crashes, and the worker that carries them out."""

from typing import TYPE_CHECKING

from shared.imports import lazily

if TYPE_CHECKING:
    from ui.jobs.job import Job, Progress
    from ui.jobs.queue import Queue
    from ui.jobs.worker import Worker

__all__ = ["Job", "Progress", "Queue", "Worker"]

__getattr__ = lazily(__name__, {"Job": "job", "Progress": "job", "Queue": "queue", "Worker": "worker"})
