"""What a text claims, read by word lists: enough to see what a rewrite lost or made up.

The toybox's words are read in all six languages; numbers, negations and quoted text from any prompt in them; names
where capitals mark them; and in English every other word that carries meaning. A list of words knows no grammar:
what it compares is whether both texts claim the same, never whether a claim is well said.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

from apps.prompt_rewrite.languages import Language, detect, language, normal_form

SOFT_KINDS = frozenset({"camera"})
"""Kinds that another wording may well have expressed."""

WORDS_LOST = 0.5
"""Share of an English prompt's words that other, simpler words may replace; beyond it, it tells of something else."""

_HARMLESS = ("puppet show", "nothing else in view", "short description")
"""Phrases of captions that hold a word of another meaning."""

_QUOTES = re.compile(r"\"([^\"]+)\"|“([^”]+)”|„([^“”]+)[“”]|«\s*([^»]+?)\s*»|「([^」]+)」|『([^』]+)』")
_NUMBER = re.compile(r"(?<!\w)\d+(?:[.,]\d+)?(?!\w)")
_NAME = re.compile(r"(?<=[\w,;] )[A-ZÀ-Þ][\w'-]+")
_NAMED = ("en", "es", "fr")
"""Languages where a capital inside a sentence means a name."""

_PLURALS = {"es": ("s", "es"), "fr": ("s",)}

_ACTED = ("motion", "material", "texture")
_FIGURED = ("subject", "expression", "action", "hair style")


@dataclass(frozen=True, order=True)
class Claim:
    """One thing that a text says: its kind, such as `color`, and the fact in English (or as quoted)."""

    kind: str
    fact: str

    def __str__(self) -> str:
        return f'{self.kind} "{self.fact}"'


@dataclass(frozen=True, order=True)
class Difference:
    """A claim that the rewrite left out or added."""

    claim: Claim
    how: Literal["left out", "added"]

    @property
    def is_loss(self) -> bool:
        """Whether the user's own words got lost, in a way that no other wording explains."""
        return self.how == "left out" and self.claim.kind not in SOFT_KINDS

    def __str__(self) -> str:
        return f"{self.how}: {self.claim}"


def differences(original: str, rewrite: str) -> tuple[Difference, ...]:
    """What a rewrite lost of the original, and what it claims that the original does not.

    Added words and cameras are no differences, for to say more is a rewriter's work; and other words for less than
    half of the original's are simpler ones. From an original in a language without a word list only numbers and
    quotes are compared.
    """
    spoken, written = detect(original), detect(rewrite) or language("en")
    before, after = read_claims(original, spoken), read_claims(rewrite, written)
    if spoken is None:
        before, after = ({c for c in claims if c.kind in ("number", "quote")} for claims in (before, after))
    if written.code != "en":
        before = {claim for claim in before if claim.kind != "word"}
    lost = {c for c in before - after if not _is_said(c, rewrite)}
    words = {claim for claim in before if claim.kind == "word"}
    if len(lost & words) <= WORDS_LOST * len(words):
        lost -= words
    added = {c for c in after - before if c.kind not in SOFT_KINDS | {"word", "name", "quote"}}
    return tuple(
        Difference(claim, how)
        for how, claims in (("left out", lost), ("added", added))
        for claim in sorted(claims)
    )


def read_claims(text: str, spoken: Language | None) -> set[Claim]:
    """Everything that a text claims; no more than quotes and digits where its language is unknown."""
    quotes = {Claim("quote", _first(match)) for match in _QUOTES.finditer(text)}
    text = _QUOTES.sub(" ", text)
    claims = quotes | {Claim("number", match.group()) for match in _NUMBER.finditer(normal_form(text))}
    if spoken is None:
        return claims
    if spoken.code in _NAMED:
        claims |= {Claim("name", match.group()) for match in _NAME.finditer(text)}
    text = spoken.familiar_form(text)
    marks = list(_marks(text, spoken))
    claims |= {Claim(mark.kind, mark.fact) for mark in marks} | set(_bound(text, marks, spoken))
    claims -= {Claim("camera", "static")}
    kinds = {claim.kind for claim in claims}
    if "object" not in kinds:
        claims = {claim for claim in claims if claim.kind not in _ACTED}
    if "hair" not in kinds and Claim("worn", "clothes") not in claims:
        claims = {claim for claim in claims if claim.kind not in _FIGURED}
    return claims


@dataclass(frozen=True)
class _Mark:
    """A phrase found in a text: what it states and where."""

    kind: str
    fact: str
    start: int
    end: int


def _marks(text: str, spoken: Language) -> Iterator[_Mark]:
    phrases, pattern = _lexicon(spoken.code)
    rest = []
    last = 0
    for match in pattern.finditer(text):
        kind, fact = phrases[match.group()]
        rest.append(text[last : match.start()])
        last = match.end()
        if kind:
            yield _Mark(kind, fact, match.start(), match.end())
    if spoken.code == "en":
        for word in re.findall(r"[^\W\d_]{3,}", " ".join([*rest, text[last:]])):
            if word not in spoken.vocabulary:
                yield _Mark("word", word, -1, -1)


def _bound(text: str, marks: list[_Mark], spoken: Language) -> Iterator[Claim]:
    """Objects, which are shapes with their colours; their motions, where there is one for each; how many they are."""
    colors = [mark for mark in marks if mark.kind == "color"]
    shapes = [mark for mark in marks if mark.kind == "shape"]
    objects = []
    for shape in shapes:
        gaps = [(_gap(text, color, shape, spoken), color.fact) for color in colors]
        if gaps and min(gaps)[0] <= _REACH:
            objects.append(f"{min(gaps)[1]} {shape.fact}")
    yield from (Claim("object", thing) for thing in objects)
    motions = [mark.fact for mark in marks if mark.kind == "motion"]
    if objects and len(motions) == len(objects):
        moving = zip(objects, motions, strict=True)
        yield from (Claim("motion", f"{thing}: {motion}") for thing, motion in moving)
    if len(set(objects)) > 1:
        yield Claim("number", str(len(set(objects))))


_STOP = re.compile(r"[.,;:!?。、]")
_REACH = 12
"""Characters between a shape and its colour at most."""


def _gap(text: str, color: _Mark, shape: _Mark, spoken: Language) -> float:
    """Characters between the two; a little more on the side where this language has no adjectives."""
    before = color.end <= shape.start
    between = text[color.end : shape.start] if before else text[shape.end : color.start]
    if _STOP.search(between):
        return math.inf
    follows = spoken.code in ("es", "fr")
    return len(between) + (2 if before == follows else 0)


@cache
def _lexicon(code: str) -> tuple[dict[str, tuple[str, str]], re.Pattern[str]]:
    """Every phrase with its kind and fact (both empty for words without a claim), and a pattern: longest first."""
    spoken = language(code)
    phrases = {normal_form(word): ("", "") for word in (*spoken.common, *_HARMLESS)}
    for kind, fact, ways in _entries(spoken):
        phrases |= {normal_form(way): (kind, fact) for way in ways}
    longest_first = "|".join(map(re.escape, sorted(phrases, key=len, reverse=True)))
    return phrases, re.compile(rf"(?<!\w)(?:{longest_first})(?!\w)" if spoken.spaced else longest_first)


def _entries(spoken: Language) -> Iterator[tuple[str, str, Iterable[str]]]:
    """Kind, fact and phrases of each entry of the tables."""

    def every(words: Iterable[str]) -> list[str]:
        return [way for word in words for form in spoken.forms(word) for way in form.split("|")]

    def many(words: Iterable[str]) -> list[str]:
        """Colours as they stand with several things."""
        return [form + ending for form in every(words) for ending in ("", *_PLURALS.get(spoken.code, ()))]

    for fact, words in {**spoken.colors, **spoken.backgrounds}.items():
        yield "color", fact, many(words)
    tables = {
        "texture": spoken.textures,
        "motion": spoken.motions,
        "camera": spoken.cameras,
        "hair": spoken.hair,
        "expression": spoken.expressions,
        "action": spoken.actions,
        "number": {str(number): words for number, words in spoken.numbers.items()},
        "negation": {"no": spoken.negations},
        "material": spoken.materials,
    }
    for kind, table in tables.items():
        for fact, words in table.items():
            yield kind, fact, every(words)
    for fact, words in spoken.directions.items():
        yield "motion", fact, words
    for fact, words in spoken.miens.items():
        yield "expression", fact, words
    for fact, nouns in spoken.shapes.items():
        yield "shape", fact, [_bare(spoken.noun(noun)[1], spoken) for noun in nouns]
    for fact, nouns in spoken.persons.items():
        yield "subject", fact, [_bare(noun, spoken) for noun in nouns]
    yield "worn", "clothes", [_bare(spoken.noun(noun)[1], spoken) for noun in spoken.clothes]
    for fact, ways in spoken.hair_styles.items():
        yield "hair style", fact, [way.replace("{hair}", "").strip() for way in ways]


def _bare(noun: str, spoken: Language) -> str:
    """A noun without its article and colour."""
    left, _, right = noun.partition("~")
    if right.strip():
        return right.strip()
    words = left.split()
    return " ".join(words[1:]) if spoken.spaced and len(words) > 1 else " ".join(words)


def _is_said(claim: Claim, text: str) -> bool:
    """Whether a claim that word lists did not find stands in the text nevertheless."""
    if claim.kind in ("quote", "name"):
        return normal_form(claim.fact) in normal_form(text)
    if claim.kind == "word":
        return stem(claim.fact) in {stem(word) for word in re.findall(r"[^\W\d_]+", normal_form(text))}
    return claim.kind == "number" and _written(claim.fact) in normal_form(text)


def _written(number: str) -> str:
    """A number without its thousands' commas, as a rewrite may write it."""
    return number.replace(",", "")


def stem(word: str) -> str:
    """An English word without its commonest endings."""
    for ending in ("ing", "ied", "ies", "ed", "es", "s", "ly"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    if len(word) > 3 and word[-1] == word[-2]:
        word = word[:-1]
    return word.rstrip("ey") if len(word) > 3 else word


def _first(match: re.Match[str]) -> str:
    return next(group for group in match.groups() if group)
