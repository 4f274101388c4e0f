"""Self-revision, and the word-by-word difference between a prompt and its rewrite."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from apps.prompt_rewrite.backends import Backend, OnText, Task
from apps.prompt_rewrite.claims import Difference, differences
from foundation.t2v.request import PROMPT_LIMIT
from shared.errors import ResourceError

_PIECE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|\w+|\s+|[^\w\s]")


def word_diff(original: str, rewrite: str) -> str:
    """One line with both texts: `[-left out-]`, `{+added+}`, the rest in common; letter case counts."""
    before, after = _PIECE.findall(original), _PIECE.findall(rewrite)
    line = []
    for _, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        gone, come = "".join(before[a:b]), "".join(after[c:d])
        if gone == come:
            line.append(gone)
            continue
        line += [f"[-{gone}-]" if gone else "", f"{{+{come}+}}" if come else ""]
    return "".join(line)


def review(original: str, rewrite: str) -> list[str]:
    """The lines that `--diff` shows: both texts and, where they have words in common, what changed between."""
    lines = [f"- {original}", f"+ {rewrite}"]
    common = set(_words(original)) & set(_words(rewrite))
    return [*lines, f"  {word_diff(original, rewrite)}"] if common and original != rewrite else lines


def _words(text: str) -> list[str]:
    return [piece for piece in _PIECE.findall(text) if piece.isalnum()]


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
