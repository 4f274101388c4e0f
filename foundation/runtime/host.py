"""Who carries out a request: a terminal that shows a bar, or a worker that keeps models and remembers steps."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from shared.console import note, printable, progress, result

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from foundation.flow.sampler import OnStep, Step

Loaded = TypeVar("Loaded")


class Watcher:
    """What the sampler tells of its steps; handed to a pipeline as `on_step`.

    Attributes:
        latents: after the last step, None before the first.
    """

    latents: Tensor | None = None

    def __init__(self, on_step: OnStep) -> None:
        self._on_step = on_step

    def __call__(self, step: Step, latents: Tensor, denoised: Tensor) -> None:
        """See `foundation.flow.sampler.OnStep`."""
        self.latents = latents
        self._on_step(step, latents, denoised)


class Host:
    """A terminal: every run loads its model and shows a bar.

    Attributes:
        about: what receipts say of who asked, beside what the command says.
    """

    about: Mapping[str, Any] = MappingProxyType({})

    def load(self, open_model: Callable[..., Loaded], model: str, *words: Any, **settings: Any) -> Loaded:
        """A model, opened with these arguments; whoever has it already may give that one.

        Args:
            open_model: opens it; imports torch, so that what happens is said first.
            model: its name.
            words: further arguments.
            settings: further arguments.
        """
        note(f"loading {printable(model)}")
        return open_model(model, *words, **settings)

    @contextmanager
    def sampling(self, total: int, label: str) -> Generator[Watcher]:
        """Watch a run.

        Args:
            total: its steps.
            label: what happens in them.
        """
        with progress(total, label) as bar:
            yield Watcher(lambda *_: bar.advance())

    def made(self, path: Path) -> None:
        """A file is there that was asked for."""
        result(str(path))


TERMINAL = Host()
