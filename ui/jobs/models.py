"""The model that stays loaded between jobs, and how its memory is given back."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ui.jobs.preview import ColorMap


class Models:
    """Keeps the last model: the same arguments give the same one, others free it first.

    Attributes:
        colors: how latents of the last video model are shown; None before there was one.
    """

    def __init__(self) -> None:
        self.colors: ColorMap | None = None
        self._key: Any = None
        self._held: Any = None

    @property
    def is_empty(self) -> bool:
        """Whether no model is held."""
        return self._held is None

    def load(self, open_model: Callable[..., Any], *words: Any, **settings: Any) -> Any:
        """See `foundation.runtime.host.Host.load`."""
        key = (open_model, words, tuple(sorted(settings.items())))
        if self._held is None or key != self._key:
            self.free()
            self._held, self._key = open_model(*words, **settings), key
            if hasattr(self._held, "vae"):
                from ui.jobs.preview import ColorMap

                self.colors = ColorMap.of(self._held)
        return self._held

    def rest(self) -> None:
        """After a job was stopped in the middle, put an offloaded model's parts back where they wait."""
        if hasattr(self._held, "maybe_free_model_hooks"):
            self._held.maybe_free_model_hooks()

    def free(self) -> None:
        """Let go of the model, and give its memory back."""
        self._held = self._key = None
        give_memory_back()


def give_memory_back() -> None:
    """Give back what nothing holds any more, to the GPU and to the machine."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    with contextlib.suppress(OSError, AttributeError):  # glibc keeps freed pages for itself
        ctypes.CDLL(None).malloc_trim(0)
