"""The words that a small model was trained on, so that a prompt beyond them is not answered in silence."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from foundation.checkpoints.registry import ModelParts
from shared.config import one_of

VOCABULARY_FILE = "vocabulary.txt"
"""In a model's folder: the words of its training captions, one a line. Large models have none."""

MOST_NAMED = 6
KNOWS = (
    "it draws circles, squares, triangles, stars, rings and crosses in 8 colours that move over plain or textured "
    "backgrounds, and cartoon people; docs/weights.md says how to get weights for everything else"
)


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, in order, each once."""
    return list(dict.fromkeys(re.findall(r"[^\W\d_]+", text.lower())))


def unknown_words(folder: Path, prompt: str) -> list[str]:
    """The words of a prompt, of three letters or more, that a model was never trained on.

    None where the model's folder holds no vocabulary.
    """
    file = folder / VOCABULARY_FILE
    if not file.is_file():
        return []
    known = set(file.read_text(encoding="utf-8", errors="replace").split())
    return [word for word in words_of(prompt) if len(word) > 2 and word not in known]


def describe_unknown(parts: ModelParts, prompts: Iterable[str]) -> str | None:
    """One line about the words that a video model does not know; None where it knows all of them."""
    folder = parts.text_encoder.parent
    if parts.transformer.parent != folder:  # trained further, on other captions
        return None
    return name_unknown(folder, folder.name, prompts, KNOWS)


def name_unknown(folder: Path, name: str, prompts: Iterable[str], knows: str) -> str | None:
    """One line about the words of prompts that are not in a folder's vocabulary; None where all of them are.

    Args:
        folder: holds the vocabulary.
        name: of the model, for the line.
        prompts: texts of a user.
        knows: what the model was trained on, for the line.
    """
    unknown = list(dict.fromkeys(word for prompt in prompts for word in unknown_words(folder, prompt)))
    if not unknown:
        return None
    more = len(unknown) - MOST_NAMED
    named = [*unknown[:MOST_NAMED], f"{more} more"] if more > 0 else unknown
    return f"{name} does not know {one_of(named).replace(' or ', ' and ')}: {knows}"


def write_vocabulary(folder: Path, texts: Iterable[str]) -> Path:
    """Write the words of a model's training captions into its folder."""
    words = sorted({word for text in texts for word in words_of(text)})
    path = folder / VOCABULARY_FILE
    path.write_text("\n".join(words) + "\n", encoding="utf-8")
    return path
