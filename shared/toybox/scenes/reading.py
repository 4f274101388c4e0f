"""Reads a caption back into facts: what a prompt in the toybox's words asks for."""

import re
from collections.abc import Iterator
from functools import cache

from shared.toybox.scenes import wording
from shared.toybox.scenes.captions import ActorFacts, SceneFacts


def read_scene(text: str) -> SceneFacts | None:
    """The facts that a text states, or None where it names no coloured shape or no background.

    A motion belongs to the object that was named last; an object named twice is one. What is not said is
    None, but for the camera, which is then static.
    """
    actors: dict[tuple[str, str], ActorFacts] = {}
    said: dict[str, str] = {}
    color = material = None
    last: tuple[str, str] | None = None
    for kind, word in _facts(text.lower()):
        if kind == "color":
            color, material = word, None
        elif kind == "material":
            material = word
            if color is None and last is not None:
                actors[last] = ActorFacts(*last, actors[last].motion, word)
        elif kind == "shape" and color is not None:
            last, color = (color, word), None
            actors.setdefault(last, ActorFacts(*last, None, material))
        elif kind == "motion" and last is not None:
            actors[last] = ActorFacts(*last, word, actors[last].material)
        else:
            said[kind] = word
    if not actors or "background" not in said:
        return None
    camera = said.get("camera", "static" if any(a.motion for a in actors.values()) else None)
    return SceneFacts(tuple(actors.values()), said["background"], said.get("texture"), camera)


def _facts(text: str) -> Iterator[tuple[str, str]]:
    phrases, pattern = _phrases()
    for match in pattern.finditer(text):
        yield phrases[match.group()]


@cache
def _phrases() -> tuple[dict[str, tuple[str, str]], re.Pattern[str]]:
    """Every phrase of the tables with the fact that it states, and a pattern that finds the longest first."""
    tables = {
        "color": wording.COLOR_WORDS,
        "shape": wording.SHAPE_WORDS,
        "material": wording.MATERIAL_WORDS,
        "background": wording.BACKGROUND_WORDS,
        "texture": wording.TEXTURE_WORDS,
        "camera": wording.CAMERA_WORDS,
    }
    phrases = {
        word: (kind, fact)
        for kind, table in tables.items()
        for fact, words in table.items()
        for word in words
    }
    for motion, pairs in wording.MOTION_WORDS.items():
        phrases |= {form: ("motion", motion) for pair in pairs for form in pair}
        for heading in wording.HEADING_WORDS.get(motion, ()):
            phrases |= {
                f"{verb} {heading}": ("motion", motion) for pair in wording.HEADING_VERBS for verb in pair
            }
    longest_first = sorted(phrases, key=len, reverse=True)
    return phrases, re.compile(r"\b(?:" + "|".join(map(re.escape, longest_first)) + r")\b")
