"""The six languages of the starter: their words for the toybox, and how people put them together.

A table maps a fact (a word of `shared.toybox`) to the ways of saying it. `~` in a noun stands for its colour,
`{slots}` in a template for what `speaking` fills in. The notes at the head of each file say what its signs mean.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from apps.prompt_rewrite.languages.english import TABLES, strings

CODES = ("en", "zh", "es", "fr", "de", "ja")
Words = Mapping[str, list[str]]

_WORD = re.compile(r"[^\W\d_]+|\d+")
_SLOT = re.compile(r"\{\w+\}|[~|/*]")
_KANA = re.compile(r"[\u3040-\u30ff]")
_HAN = re.compile(r"[\u3400-\u9fff]")


@dataclass(frozen=True, eq=False)
class Language:
    """Words and templates of one language.

    Attributes:
        code: ISO 639-1.
        name: in English.
        colors, shapes, ..., actions: ways of saying each fact.
        places, settings: a background as an adverb, and as a clause of its own.
        looks, acts, puppet, puppet_bare: who a figure is, what it does, and both (bare: without a background).
        clauses, relative: one object and its motion; `relative` as a noun phrase.
        moving, still, single, two, bare: whole prompts; `single` is for one object, `two` for a pair.
        numbers, negations: what must not get lost from any prompt.
        common: frequent words, by which the language is recognised.
        miens: adjectives of each expression, which may stand in place of its verb.
        directions: what a sentence may tear off a motion, and stands for it alone.
        fillers: what else prompts are made of.
        spaced: whether words stand apart.
        genders: letters of the forms that adjectives have, in their order; empty where they have one.
        endings: of words that end in `*`, in the order of `genders`.
    """

    code: str
    name: str
    colors: Words
    shapes: Words
    material: str
    materials: Words
    motions: Words
    backgrounds: Words
    texture: str
    textures: Words
    places: list[str]
    settings: list[str]
    cameras: Words
    clauses: list[str]
    joints: list[str]
    things_joints: list[str]
    moving: list[str]
    still: list[str]
    two: list[str]
    bare: list[str]
    with_camera: list[str]
    persons: Words
    hair: Words
    hair_styles: Words
    clothes: list[str]
    looks: list[str]
    expressions: Words
    actions: Words
    acts: str
    puppet: list[str]
    puppet_bare: list[str]
    numbers: Mapping[int, list[str]]
    negations: list[str]
    common: list[str]
    miens: Words = field(default_factory=dict)
    directions: Words = field(default_factory=dict)
    fillers: tuple[str, ...] = ()
    relative: str = ""
    single: tuple[str, ...] = ()
    spaced: bool = True
    genders: str = ""
    endings: tuple[str, ...] = ()
    agreement: tuple[str, ...] = ()

    def forms(self, word: str) -> list[str]:
        """Every form of an adjective: `rot*` with its endings, `rojo/roja` as written."""
        return [word[:-1] + ending for ending in self.endings] if word.endswith("*") else word.split("/")

    def form(self, word: str, gender: str) -> str:
        """The form that goes with a noun; a word with one form has it everywhere."""
        forms = self.forms(word)
        return forms[self.genders.index(gender)] if len(forms) > 1 else forms[0]

    def noun(self, entry: str) -> tuple[str, str]:
        """Gender and words of a noun; the gender is empty in languages without."""
        if not self.genders:
            return "", entry
        gender, _, words = entry.partition(" ")
        return gender, words

    def unknown(self, text: str) -> list[str]:
        """The words of a text that the starter has never met, in order; runs of letters where no spaces are."""
        text = self.familiar_form(text)
        if self.spaced:
            return [word for word in dict.fromkeys(_WORD.findall(text)) if word not in self.vocabulary]
        return _WORD.findall(_pattern(self.vocabulary).sub(" ", text))

    def familiar_form(self, text: str) -> str:
        """A text in normal form, each unknown word replaced by a known one that differs in its `agreement` alone.

        So "braunem" becomes "braunen", which stands in training prompts. Number is no agreement: two balls stay two.
        """
        return _WORD.sub(lambda match: self._known_form(match.group(0)), normal_form(text))

    def _known_form(self, word: str) -> str:
        if not self.spaced or word in self.vocabulary:
            return word
        for ending in sorted(self.agreement, key=len, reverse=True):
            stem = word.removesuffix(ending)
            if word.endswith(ending) and len(stem) >= SHORTEST_STEM:
                known = [stem + other for other in self.agreement if stem + other in self.vocabulary]
                if known:
                    return min(known, key=lambda form: abs(len(form) - len(word)))
        return word

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """What prompts about the toybox are made of: words, or pieces of text where no spaces are."""
        pieces = (normal_form(piece) for text in self._said() for piece in _SLOT.split(text))
        return frozenset(word for piece in pieces for word in _WORD.findall(piece))

    @cached_property
    def familiar(self) -> frozenset[str]:
        """The vocabulary with the words by which the language is recognised."""
        return self.vocabulary.union(self.common, self.negations, strings(self.numbers))

    def _said(self) -> Iterator[str]:
        """Every string of the tables, in every form."""
        for name in (table.name for table in fields(self) if table.name not in _NOT_SAID):
            for text in strings(getattr(self, name)):
                words = self.noun(text)[1] if name in _NOUNS else text
                for way in words.split("|"):
                    yield from self.forms(way) if name in _INFLECTED else [way]


SHORTEST_STEM = 3
"""Letters before an ending; shorter words are looked up as they are."""

_NOT_SAID = ("code", "name", "spaced", "genders", "endings", "agreement", "numbers", "negations", "common")
_NOUNS = ("shapes", "places", "settings", "clothes")
_INFLECTED = ("colors", "motions", "backgrounds", "textures")


@cache
def language(code: str) -> Language:
    """One of the six languages by its code."""
    if code == "en":
        return Language("en", **TABLES)
    from omegaconf import OmegaConf

    tables: Any = OmegaConf.to_container(OmegaConf.load(Path(__file__).with_name(f"{code}.yaml")))
    return Language(code, **tables)


def detect(text: str) -> Language | None:
    """The language of a prompt: by its script, else by the share of words that are known; None for none."""
    if _KANA.search(text):
        return language("ja")
    if _HAN.search(text):
        return language("zh")
    words = _WORD.findall(normal_form(text))
    spaced = [spoken for spoken in map(language, CODES) if spoken.spaced]
    hits = {spoken.code: sum(word in spoken.familiar for word in words) for spoken in spaced}
    best = max(hits, key=lambda code: hits[code])
    return language(best) if hits[best] else None


def normal_form(text: str) -> str:
    """Lower case, one width of letters and signs, one apostrophe, single spaces."""
    text = unicodedata.normalize("NFKC", text).lower().replace("\u2019", "'")
    return " ".join(text.split())


@cache
def _pattern(words: frozenset[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, sorted(words, key=len, reverse=True))))
