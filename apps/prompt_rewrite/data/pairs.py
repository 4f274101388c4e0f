"""Pairs of prompt and rewrite to train on: made of the toybox's facts, or collected in a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np

from apps.prompt_rewrite.backends import Task
from apps.prompt_rewrite.backends.starter import question
from apps.prompt_rewrite.claims import read_claims
from apps.prompt_rewrite.data.captions import caption
from apps.prompt_rewrite.data.facts import Figure, Subject, draw_subject
from apps.prompt_rewrite.data.packing import Example, encode, pack
from apps.prompt_rewrite.data.phrasings import say
from apps.prompt_rewrite.instructions import messages
from apps.prompt_rewrite.languages import CODES, Language, language
from apps.prompt_rewrite.request import Mode
from shared.errors import InputError
from shared.toybox.puppets.captions import choose_words, sentence, structured
from shared.toybox.puppets.reading import read_puppet
from shared.toybox.scenes.captions import SceneFacts, caption_facts
from shared.toybox.scenes.reading import read_scene
from shared.toybox.scenes.sampling import Split, pick

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from foundation.data.loading import Batch

CAPTIONED = 0.4
"""Share of English prompts in the toybox's own captions; they may be rewritten, too."""

STRUCTURED = 0.4
"""Share of structured captions among those."""

LARGEST_LINE = 100_000
"""Characters of one line of a file of pairs."""


@dataclass(frozen=True)
class Pair:
    """A prompt and what it should become."""

    prompt: str
    rewrite: str
    mode: Mode


# -- pairs of the toybox -----------------------------------------------------------------------------------


def draw_pair(rng: np.random.Generator) -> Pair:
    """A training pair in any language and mode."""
    spoken = language(pick(rng, CODES))
    mode = pick(rng, get_args(Mode))
    prompt, subject = draw_prompt(rng, spoken)
    return Pair(prompt, caption(subject, mode), mode)


def draw_prompt(rng: np.random.Generator, spoken: Language, split: Split = "train") -> tuple[str, Subject]:
    """A prompt with what it asks for, its objects in the order in which it names them."""
    subject = draw_subject(rng, split)
    complete = subject.background if isinstance(subject, SceneFacts) else subject.facts.background
    if spoken.code == "en" and complete and rng.random() < CAPTIONED:
        return _captioned(rng, subject)
    return say(subject, spoken, rng), subject


def _captioned(rng: np.random.Generator, subject: Subject) -> tuple[str, Subject]:
    """A prompt in the words of the toybox's captioner, which itself chooses order, hair style and noun."""
    ordered = rng.random() < STRUCTURED
    if isinstance(subject, SceneFacts):
        text = caption_facts(subject, rng, "structured" if ordered else "any")
        return text, read_scene(text) or subject
    words = choose_words(subject.facts, rng)
    text = structured(subject.facts, rng) if ordered else sentence(words, rng)
    return text, Figure(person_of(text), read_puppet(text) or subject.facts)


def person_of(text: str) -> str:
    """Whom an English caption is about; `person` where it does not say."""
    named = [claim.fact for claim in read_claims(text, language("en")) if claim.kind == "subject"]
    return named[0] if named else "person"


class ToyPairs:
    """Fresh pairs in every batch."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, row: int, length: int) -> None:
        self.tokenizer, self.row, self.length = tokenizer, row, length

    def __len__(self) -> int:
        return self.length

    def batch(self, ids: Sequence[int], generators: Sequence[np.random.Generator]) -> Batch:
        """Packed rows, see `pack`."""
        return pack([self.example(rng) for rng in generators], self.row, self.tokenizer.pad_token_id)

    def example(self, rng: np.random.Generator) -> Example:
        """The first pair drawn that fits into a row: a few in a thousand do not."""
        while True:
            pair = draw_pair(rng)
            drawn = encode(self.tokenizer, question(pair.prompt, pair.mode), pair.rewrite)
            if len(drawn.tokens) <= self.row:
                return drawn


# -- pairs of a file ---------------------------------------------------------------------------------------


def read_pairs(path: Path) -> list[Pair]:
    """The pairs of a JSONL file, as `kinora rewrite --collect` writes it.

    Raises:
        InputError: the file cannot be read, or a line is no pair.
    """
    pairs = []
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    pairs.append(_pair(line, f"line {number} of {path}"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"pairs: {path} cannot be read: {error}") from error
    if not pairs:
        raise InputError(f"pairs: {path} holds no pair: kinora rewrite --collect {path} makes some")
    return pairs


def _pair(line: str, place: str) -> Pair:
    wanted = 'an object with "prompt", "rewrite" and "mode"'
    try:
        value = json.loads(line) if len(line) <= LARGEST_LINE else None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InputError(f"pairs: {place} is not {wanted}")
    texts = [value.get(key) for key in ("prompt", "rewrite")]
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise InputError(f"pairs: {place} is not {wanted}")
    if value.get("mode") not in get_args(Mode):
        raise InputError(f"pairs: {place} has mode {value.get('mode')!r}, not normal or master")
    return Pair(texts[0], texts[1], value["mode"])


class PairSamples:
    """The pairs of a file, as a model is asked in use."""

    def __init__(self, pairs: Sequence[Pair], tokenizer: PreTrainedTokenizerBase, row: int) -> None:
        self.row, self.pad = row, tokenizer.pad_token_id or tokenizer.eos_token_id or 0
        self.examples = [
            encode(tokenizer, messages(Task(pair.prompt, pair.mode), examples=False), pair.rewrite)
            for pair in pairs
        ]
        longest = max(len(example.tokens) for example in self.examples)
        if longest > row:
            raise InputError(f"the longest pair has {longest} tokens, a row {row}: raise data.row")

    def __len__(self) -> int:
        return len(self.examples)

    def batch(self, ids: Sequence[int], generators: Sequence[np.random.Generator]) -> Batch:
        """Packed rows, see `pack`."""
        return pack([self.examples[i] for i in ids], self.row, self.pad)
