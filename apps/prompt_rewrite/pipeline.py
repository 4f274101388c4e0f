"""Prompt rewriting for people: a prompt becomes a `Rewrite`."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, get_args

from apps.prompt_rewrite.backends import Backend, BeyondReach, OnText, Task, open_backend
from apps.prompt_rewrite.languages import detect
from apps.prompt_rewrite.request import Mode, RewriterSettings, check_text
from apps.prompt_rewrite.revision import Revision, revise
from shared.config import one_of, shorten
from shared.errors import InputError, ResourceError


@dataclass(frozen=True)
class Rewrite:
    """A prompt and what became of it.

    Attributes:
        original: as the user wrote it.
        text: for the video model; the original where nothing better came.
        mode: `normal` or `master`.
        language: of the original, as an English word; `unknown` where no word list knows it.
        changes: lines that say what was repaired, what still differs, or why the original stands.
        rounds: of revision that were needed.
    """

    original: str
    text: str
    mode: Mode
    language: str
    changes: tuple[str, ...] = ()
    rounds: int = 0

    @property
    def is_unchanged(self) -> bool:
        """Whether the original stands."""
        return self.text == self.original

    def record(self) -> dict[str, Any]:
        """As JSON values, for a clip's receipt."""
        return {**vars(self), "changes": list(self.changes)}


class PromptRewriter:
    """Rewrites prompts through a backend, and compares every rewrite with its original.

    Use it in a `with` block, or call `close`, to free the model before a video model is loaded.
    """

    def __init__(
        self, backend: Backend, *, rounds: int = 2, into: str = "English", fallback: bool = False
    ) -> None:
        self.backend, self.rounds, self.into, self.fallback = backend, rounds, into, fallback

    @classmethod
    def from_pretrained(cls, model: str = "starter", **options: Any) -> Self:
        """A rewriter by its model: `starter`, or the folder of a chat model or of an adapter for one.

        Args:
            model: see above.
            options: as of `PromptRewriter`.

        Raises:
            WeightsError: there is no such folder; what is in it is looked at when the first prompt comes.
        """
        if model == "starter":
            from apps.prompt_rewrite.backends.starter import StarterBackend

            return cls(StarterBackend(), **options)
        from apps.prompt_rewrite.backends.local import LocalBackend

        return cls(LocalBackend(model), **options)

    @classmethod
    def from_settings(cls, settings: RewriterSettings) -> Self:
        """The rewriter that a request describes."""
        options = {name: getattr(settings, name) for name in ("rounds", "into", "fallback")}
        return cls(open_backend(settings), **options)

    def __call__(self, prompt: str, mode: Mode = "normal", *, on_text: OnText | None = None) -> Rewrite:
        """Rewrite one prompt.

        A rewrite that still loses a subject, number, color, action, name, negation or quote of the original after
        all rounds is not used: the original stands, and `changes` says what was lost.

        Args:
            prompt: in any language.
            mode: `normal` says it clearly, `master` adds composition, lighting and camera movement.
            on_text: is shown each piece of an answer as it comes.

        Raises:
            InputError: no prompt, no such mode, or a server that refuses key or model.
            ResourceError: the server failed, and `fallback` is off.
            WeightsError: the model cannot be loaded.
        """
        check_text(prompt)
        if mode not in get_args(Mode):
            raise InputError(f"mode must be {one_of(get_args(Mode))}, not {shorten(mode)}")
        spoken = detect(prompt)
        language = spoken.name if spoken else "unknown"
        try:
            revision = revise(self.backend, Task(prompt, mode, self.into), self.rounds, on_text)
        except BeyondReach as reason:
            return Rewrite(prompt, prompt, mode, language, (f"unchanged: {reason}",))
        except ResourceError as error:
            if not self.fallback:
                raise
            return Rewrite(prompt, prompt, mode, language, (f"unchanged: {error}",))
        return self._judged(prompt, mode, language, revision)

    def _judged(self, prompt: str, mode: Mode, language: str, revision: Revision) -> Rewrite:
        fatal = [d for d in revision.remaining if self.backend.strict or d.is_loss]
        if fatal:
            reason = f"unchanged: no rewrite kept everything ({'; '.join(map(str, fatal))})"
            return Rewrite(prompt, prompt, mode, language, (reason,), revision.rounds)
        changes = [f"repaired, {difference}" for difference in revision.repaired]
        changes += [f"not repaired, {difference}" for difference in revision.remaining]
        return Rewrite(prompt, revision.text, mode, language, tuple(changes), revision.rounds)

    def close(self) -> None:
        """Free what the backend holds."""
        self.backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
