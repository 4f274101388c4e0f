"""Reads a prompt about a puppet back into facts: what a text in the captions' words asks for."""

import re
from collections.abc import Iterable, Mapping
from functools import cache

from shared.toybox.puppets.captions import (
    ACTION_WORDS,
    CLOTHES,
    EXPRESSION_ADJECTIVES,
    EXPRESSION_WORDS,
    HAIR_WORDS,
    PuppetFacts,
)
from shared.toybox.puppets.puppet import HAIR_STYLES
from shared.toybox.scenes.wording import BACKGROUND_WORDS, COLOR_WORDS

GROUNDS = ("background", "wall", "backdrop")


def read_puppet(text: str) -> PuppetFacts | None:
    """The facts that a text states, or None where it names neither hair nor clothes."""
    text = text.lower()
    hair, clothes = (find(text, what) for what in ("hair", "clothes"))
    if hair is None and clothes is None:
        return None
    style = re.search(r"\bin a (bun)\b|\b(" + "|".join(HAIR_STYLES) + r")\b[\w -]* hair\b", text)
    return PuppetFacts(
        hair=hair,
        clothes=clothes,
        background=find(text, "background"),
        expression=find(text, "expression"),
        action=find(text, "action"),
        hair_style=(style[1] or style[2]) if style else None,
    )


def find(text: str, what: str) -> str | None:
    """The first fact of a kind that a lower-case text states."""
    facts, pattern = patterns()[what]
    match = pattern.search(text)
    return facts[next(word for word in match.groups() if word)] if match else None


@cache
def patterns() -> dict[str, tuple[dict[str, str], re.Pattern[str]]]:
    """For each kind of fact, the fact that each word states and the pattern that finds such a word."""
    expressions = {
        fact: [form for pair in pairs for form in pair] + list(EXPRESSION_ADJECTIVES[fact])
        for fact, pairs in EXPRESSION_WORDS.items()
    }
    actions = {fact: [form for pair in pairs for form in pair] for fact, pairs in ACTION_WORDS.items()}
    grounds = either(GROUNDS)
    return {
        "hair": phrases(HAIR_WORDS, r"{} hair\b"),
        "clothes": phrases(COLOR_WORDS, "{} " + either(CLOTHES) + r"\b"),
        "background": phrases(BACKGROUND_WORDS, f"{{}} {grounds}\\b", rf"{grounds} is {{}}\b"),
        "expression": phrases(expressions, r"{}\b"),
        "action": phrases(actions, r"{}\b"),
    }


def phrases(table: Mapping[str, Iterable[str]], *forms: str) -> tuple[dict[str, str], re.Pattern[str]]:
    """Facts by word, and a pattern with one group per form that catches the longest word."""
    facts = {word: fact for fact, words in table.items() for word in words}
    words = "(" + "|".join(map(re.escape, sorted(facts, key=len, reverse=True))) + ")"
    return facts, re.compile("|".join(r"(?<![\w-])" + form.format(words) for form in forms))


def either(words: Iterable[str]) -> str:
    """A pattern for any of the words, longest first."""
    return "(?:" + "|".join(map(re.escape, sorted(words, key=len, reverse=True))) + ")"
