"""`kinora rewrite`: a prompt in the words of the captions that the video model learned."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from apps.prompt_rewrite.request import RewriteRequest, check_text, from_environment
from foundation.t2v.request import prompt_lines
from shared.config import from_argv
from shared.console import note, printable, result, run
from shared.media.files import check_writable, refusal

if TYPE_CHECKING:
    from apps.prompt_rewrite.pipeline import Rewrite


def main(argv: list[str]) -> None:
    """Read the flags and rewrite.

    Raises:
        KinoraError: A flag, the backend or its answer is refused.
    """
    make(from_environment(read(argv), os.environ))


def read(argv: list[str]) -> RewriteRequest:
    """A request from a command line; the prompt may stand without its flag.

    Raises:
        InputError: An unknown flag or a refused value.
    """
    description = "A prompt becomes one that the video model understands."
    return from_argv(RewriteRequest, argv, "kinora rewrite", description, word="prompt")


def make(request: RewriteRequest) -> list[Rewrite]:
    """Rewrite every prompt of a request and print the rewrites, one per line, in their order.

    Whatever else there is to say (what changed, why a prompt stays as it is) goes to standard error.
    """
    prompts = list(_prompts(request))
    if request.collect is not None:
        check_writable(request.collect.parent)

    from apps.prompt_rewrite.pipeline import PromptRewriter

    made = []
    with PromptRewriter.from_settings(request) as rewriter:
        for prompt in prompts:
            rewrite = rewriter(prompt, request.mode)
            made.append(rewrite)
            tell(rewrite, request.diff)
            result(printable(" ".join(rewrite.text.split())))
            if request.collect is not None and not rewrite.is_unchanged:
                collect(rewrite, request.collect)
    return made


def tell(rewrite: Rewrite, diff: bool) -> None:
    """Say aloud what a rewrite changed."""
    for line in rewrite.changes:
        note(printable(line))
    if diff:
        from apps.prompt_rewrite.revision import review

        for line in review(rewrite.original, rewrite.text):
            note(printable(line))


def collect(rewrite: Rewrite, path: Path) -> None:
    """Append a pair to a JSONL file, as one whole line.

    Raises:
        KinoraError: The file cannot be written.
    """
    pair = {"prompt": rewrite.original, "rewrite": rewrite.text, "mode": rewrite.mode}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(pair, ensure_ascii=False) + "\n")
    except OSError as error:
        raise refusal(error, path) from error


def _prompts(request: RewriteRequest) -> Iterator[str]:
    if request.prompt is not None:
        yield request.prompt
    elif request.batch is not None:
        for number, line in prompt_lines(request.batch, "batch"):
            check_text(line, f"batch: line {number} of {request.batch}")
            yield line


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
