"""Who carries out the parts of a film: one model at a time, one progress over all of them."""

from __future__ import annotations

import dataclasses
import gc
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from foundation.runtime.host import Host, Loaded, Watcher

if TYPE_CHECKING:
    from torch import Tensor

    from foundation.flow.sampler import Step


class ModelCache(Host):
    """Keeps the model that was loaded last, and frees it before it loads another.

    Args:
        host: loads models and watches steps.
    """

    def __init__(self, host: Host) -> None:
        self.host, self.about = host, host.about
        self._kept: tuple[Any, Any] | None = None

    def load(self, open_model: Callable[..., Loaded], model: str, *words: Any, **settings: Any) -> Loaded:
        """The same model again where the arguments are the same."""
        asked = (open_model, model, words, settings)
        if self._kept is None or self._kept[0] != asked:
            self.free()
            self._kept = (asked, self.host.load(open_model, model, *words, **settings))
        return self._kept[1]

    def free(self) -> None:
        """Let go of the model, and of what it took."""
        if self._kept is None:
            return
        self._kept = None
        gc.collect()
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()

    @contextmanager
    def sampling(self, total: int, label: str) -> Generator[Watcher]:
        """As the host does."""
        with self.host.sampling(total, label) as watcher:
            yield watcher

    def made(self, path: Path) -> None:
        """As the host does."""
        self.host.made(path)


class FilmHost(ModelCache):
    """Carries out a film's parts as if they were one run; what they make is nobody's result but the film's.

    Args:
        host: carries out the film.
        total: steps of all parts.
    """

    def __init__(self, host: Host, total: int) -> None:
        super().__init__(host)
        self._total, self._done = total, 0
        self._watcher: Watcher | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> bool | None:
        self.free()
        return self._open.__exit__(*error)

    def telling(self, about: Mapping[str, Any]) -> Self:
        """From now on receipts say this, too."""
        self.about = {**self.host.about, **about}
        return self

    @contextmanager
    def sampling(self, total: int, label: str) -> Generator[Watcher]:
        """Watch a part: its steps are counted on from those of the parts before."""
        if self._watcher is None:
            self._watcher = self._open.enter_context(self.host.sampling(self._total, "film"))
        whole, before, self._done = self._watcher, self._done, self._done + total

        def tell(step: Step, latents: Tensor, denoised: Tensor) -> None:
            place = min(before + step.index, self._total - 1)
            whole(dataclasses.replace(step, index=place, total=self._total), latents, denoised)

        yield Watcher(tell)

    def made(self, path: Path) -> None:
        """Say nothing: the film is the result."""
