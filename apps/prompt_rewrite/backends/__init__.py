"""Who writes: the starter's small model, a chat model on this machine, or a server; all behind one protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from apps.prompt_rewrite.claims import Difference
from apps.prompt_rewrite.request import Mode, RewriterSettings

OnText = Callable[[str], None]
"""Is shown each piece of an answer as it comes."""


@dataclass(frozen=True)
class Task:
    """What is to be rewritten, and in a revision the attempt before with what was wrong about it."""

    prompt: str
    mode: Mode
    into: str = "English"
    attempt: str | None = None
    differences: tuple[Difference, ...] = ()


class BeyondReach(Exception):
    """This backend cannot do better than the prompt itself; the message says why."""


class Backend(Protocol):
    """Writes rewrites.

    Attributes:
        name: as users choose it.
        strict: whether a rewrite with any difference left is worse than none.
    """

    name: str
    strict: bool

    def propose(self, task: Task, on_text: OnText | None = None) -> str:
        """One rewrite.

        Raises:
            BeyondReach: the prompt should stay as it is.
            ResourceError: a server that gives no usable answer.
            WeightsError: a model that cannot be loaded.
        """
        ...

    def close(self) -> None:
        """Free what the backend holds: memory, connections. It may be used again."""
        ...


def open_backend(settings: RewriterSettings) -> Backend:
    """The backend that is set; models are loaded when the first prompt comes."""
    if settings.backend == "server":
        from apps.prompt_rewrite.backends.server import ServerBackend

        return ServerBackend(
            settings.url or "", settings.model or "", settings.key, settings.timeout, settings.retries
        )
    if settings.backend == "local":
        from apps.prompt_rewrite.backends.local import LocalBackend

        return LocalBackend(settings.model or "", settings.device)
    from apps.prompt_rewrite.backends.starter import StarterBackend

    return StarterBackend(settings.model, settings.device)
