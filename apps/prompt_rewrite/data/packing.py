"""Chats as tokens, and several of them in one row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from shared.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from foundation.data.loading import Batch

IGNORED = -100
"""Label of tokens that are not trained on."""


@dataclass(frozen=True)
class Example:
    """A chat as tokens; those from `start` on are the answer."""

    tokens: list[int]
    start: int


def encode(tokenizer: PreTrainedTokenizerBase, asked: list[dict[str, str]], answer: str) -> Example:
    """The chat as tokens, by the tokenizer's own template.

    Raises:
        InputError: the template writes a chat in another way once it is answered.
    """
    whole: Any = [*asked, {"role": "assistant", "content": answer}]
    before = str(tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True))
    text = str(tokenizer.apply_chat_template(whole, tokenize=False))
    if not text.startswith(before):
        raise InputError(
            "the model's chat template does not keep a chat as it was asked: choose another model"
        )
    parts = (before, text[len(before) :])
    asking, answering = (tokenizer(part, add_special_tokens=False)["input_ids"] for part in parts)
    return Example([*asking, *answering], len(asking))


def pack(examples: Sequence[Example], row: int, pad: int) -> Batch:
    """Several examples to a row, one after the other, each with positions of its own.

    Transformers sees from positions that start anew that a row holds several texts, and keeps them apart.

    Args:
        examples: none longer than `row`.
        row: tokens of a row.
        pad: fills the ends of rows.

    Returns:
        `ids`, `positions` and `labels`, (R, row) each; labels are `IGNORED` outside of answers.
    """
    rows = list(_first_fit(examples, row))
    shape = (len(rows), row)
    ids, labels = torch.full(shape, pad), torch.full(shape, IGNORED)
    positions = torch.zeros(shape, dtype=torch.long)
    for number, members in enumerate(rows):
        end = 0
        for example in members:
            begin, end = end, end + len(example.tokens)
            ids[number, begin:end] = torch.tensor(example.tokens)
            labels[number, begin + example.start : end] = torch.tensor(example.tokens[example.start :])
            positions[number, begin:end] = torch.arange(end - begin)
        positions[number, end:] = torch.arange(row - end)
    return {"ids": ids, "positions": positions, "labels": labels}


def _first_fit(examples: Sequence[Example], row: int) -> Iterator[list[Example]]:
    """Rows filled from the longest example to the shortest."""
    rows: list[tuple[list[Example], int]] = []
    for example in sorted(examples, key=lambda one: len(one.tokens), reverse=True):
        size = len(example.tokens)
        if size > row:
            raise InputError(f"an example has {size} tokens, a row {row}: raise data.row")
        for place, (members, free) in enumerate(rows):
            if size <= free:
                rows[place] = ([*members, example], free - size)
                break
        else:
            rows.append(([example], row - size))
    yield from (members for members, _ in rows)
