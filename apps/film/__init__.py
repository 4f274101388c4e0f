"""What combines apps: prompts are rewritten before a command sees them, and shots with their sounds become a film."""

from shared.imports import lazily

_HOMES = {
    "FilmRequest": "request",
    "Rewriting": "rewriting",
    "Scenes": "scenes",
    "Shot": "scenes",
    "carry_out": "rewriting",
    "make": "run",
    "read_scenes": "scene_file",
    "rewrite_all": "rewriting",
    "with_rewriting": "rewriting",
}

__all__ = sorted(_HOMES)

__getattr__ = lazily(__name__, _HOMES)


def __dir__() -> list[str]:
    return __all__
