"""A prompt is rewritten before a generating command sees its request."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from apps.prompt_rewrite.request import BackendName, RewriterSettings, from_environment
from foundation.runtime.host import TERMINAL, Host
from shared.config import Schema, setting
from shared.config import settings as settings_of
from shared.console import note, printable

Told = list[tuple[str, dict[str, Any]]]
"""Prompts as a model reads them, each with what else its receipt says of it."""


@dataclass(frozen=True)
class Rewriting:
    """What every generating command takes beside its own settings."""

    rewrite: Literal["off", "normal", "master"] = setting(
        "off", "rewrite the prompt first, see kinora rewrite"
    )
    rewrite_backend: BackendName = setting(
        "starter", "who rewrites; a server's address is in the environment"
    )
    rewrite_model: str | None = setting(None, "model of the rewriter", unset="the starter's own")
    rewrite_fallback: bool = setting(False, "use the prompt as it is when the rewriter's server fails")


def carry_out(schema: type[Schema], make: Callable[..., Any], asked: Any, host: Host = TERMINAL) -> Any:
    """Make what a request `with_rewriting` asks for.

    Args:
        schema: the command's request.
        make: carries it out: `make(request, prepare, host)`, where `prepare` may be left out.
        asked: the command's request together with the rewriter's settings.
        host: who carries it out.

    Returns:
        What `make` returns.
    """
    request = schema(**{name: getattr(asked, name) for name in settings_of(schema)})
    if asked.rewrite == "off":
        return make(request, host=host)
    rewriter = rewriter_of(asked)
    return make(request, lambda prompts: rewrite_all(prompts, rewriter), host)


def rewriter_of(asked: Rewriting) -> RewriterSettings:
    """The rewriter that a command names, one that rewrites; a server's address comes from the environment.

    Raises:
        InputError: A setting is missing or contradicts another.
    """
    assert asked.rewrite != "off"
    settings = RewriterSettings(
        mode=asked.rewrite,
        backend=asked.rewrite_backend,
        model=asked.rewrite_model,
        fallback=asked.rewrite_fallback,
    )
    return from_environment(settings, os.environ)


def with_rewriting(schema: type[Schema]) -> Any:
    """A command's request with the rewriter's settings after its own."""
    return dataclasses.make_dataclass(schema.__name__, (), bases=(schema, Rewriting), frozen=True)


def rewrite_all(prompts: list[str], settings: RewriterSettings) -> Told:
    """The rewrites of prompts; original and rewrite stand in the receipts. The rewriter is unloaded afterwards."""
    from apps.prompt_rewrite.cli import tell
    from apps.prompt_rewrite.pipeline import PromptRewriter

    told = []
    with PromptRewriter.from_settings(settings) as rewriter:
        for prompt in prompts:
            rewrite = rewriter(prompt, settings.mode)
            tell(rewrite, diff=False)
            note(f"prompt: {printable(rewrite.text)}")
            told.append((rewrite.text, {"rewrite": {**rewrite.record(), "backend": settings.backend}}))
    return told
