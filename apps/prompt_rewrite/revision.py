"""Self-revision (paper, "Prompt Rewrite"): compare, name the differences, write again, at most so many rounds."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from apps.prompt_rewrite.backends import Backend, OnText, Task
from apps.prompt_rewrite.claims import Difference, differences
from foundation.request import PROMPT_LIMIT
from shared.errors import ResourceError

_THOUGHT = re.compile(r"<think>.*?(</think>|$)", re.DOTALL)
_TITLE = re.compile(r"^\W*(rewritten prompt|rewrite|answer|prompt)\W*:\s*", re.IGNORECASE)
_AROUND = {'"': '"', "“": "”", "`": "`", "'": "'"}


@dataclass(frozen=True)
class Revision:
    """The best rewrite that came, what was repaired on the way, and what still differs."""

    text: str
    repaired: tuple[Difference, ...]
    remaining: tuple[Difference, ...]
    rounds: int


def revise(backend: Backend, task: Task, rounds: int, on_text: OnText | None = None) -> Revision:
    """Have a prompt rewritten and revised until nothing differs, or `rounds` are over.

    Raises:
        BeyondReach, ResourceError, WeightsError: as the backend's `propose`.
    """
    text = bare_answer(backend.propose(task, on_text))
    found = differences(task.prompt, text)
    best, seen, used = (text, found), set(found), 0
    while found and used < rounds:
        used += 1
        text = bare_answer(backend.propose(replace(task, attempt=text, differences=found), on_text))
        found = differences(task.prompt, text)
        seen |= set(found)
        best = min(best, (text, found), key=lambda draft: _badness(draft[1]))
    return Revision(best[0], tuple(sorted(seen - set(best[1]))), best[1], used)


def bare_answer(answer: str) -> str:
    """The rewrite alone: one line, without a model's thoughts, title, code fence or quotation marks around it.

    Raises:
        ResourceError: nothing is left, or more than a text encoder reads.
    """
    text = " ".join(_THOUGHT.sub("", answer).replace("```", " ").split())
    text = _TITLE.sub("", text)
    if len(text) > 1 and _AROUND.get(text[0]) == text[-1] and text[0] not in text[1:-1]:
        text = text[1:-1].strip()
    if not text:
        raise ResourceError("the rewriter gave an empty answer: try again, or another backend")
    if len(text) > PROMPT_LIMIT:
        raise ResourceError(
            f"the rewriter's answer has {len(text)} characters, at most {PROMPT_LIMIT} are read"
        )
    return text


def _badness(found: tuple[Difference, ...]) -> tuple[int, int]:
    return sum(difference.is_loss for difference in found), len(found)
