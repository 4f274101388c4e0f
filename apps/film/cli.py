"""`kinora film`: a sentence, or a scene file's shots, become one film with its sound."""

from __future__ import annotations

import sys

from apps.film.request import FilmRequest
from shared.config import from_argv
from shared.console import run


def main(argv: list[str]) -> None:
    """Read the flags and make the film.

    Raises:
        KinoraError: A flag, the scene file, a model or the place for the film is refused.
    """
    description = "A sentence, or a scene file's shots, become one film with its sound."
    request = from_argv(FilmRequest, argv, "kinora film", description, word="prompt")

    from apps.film.run import make  # after the flags: it brings numpy and YAML

    make(request)


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
