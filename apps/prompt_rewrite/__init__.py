"""Prompt rewriting: what a user wrote, in the words and the order of the captions that the video model learned."""

from shared.imports import lazily

_HOMES = {
    "PromptRewriter": "pipeline",
    "Rewrite": "pipeline",
    "RewriteRequest": "request",
}

__all__ = sorted(_HOMES)

__getattr__ = lazily(__name__, _HOMES)


def __dir__() -> list[str]:
    return __all__
