"""English, in the words of the toybox's captions and in the ways in which people ask for a video."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from shared.toybox.puppets import captions as puppets
from shared.toybox.puppets.puppet import HAIR_STYLES
from shared.toybox.scenes import wording


def strings(table: Any) -> Iterator[str]:
    """Every string in nested tables."""
    if isinstance(table, str):
        yield table
    elif isinstance(table, Iterable):
        for entry in table.values() if isinstance(table, Mapping) else table:
            yield from strings(entry)


def _captioner_words() -> Iterator[str]:
    """What the toybox's own captioner makes captions of."""
    for module in (wording, puppets):
        yield from strings([table for name, table in vars(module).items() if name.isupper()])
    yield "nothing else in view, seen from the front, with clear edges, in full view"
    yield "who has and wears, wearing a, a picture of, the background is, style, shot, the mood is, made of"


def _pairs(table: Mapping[str, Iterable[tuple[str, str]]]) -> dict[str, list[str]]:
    """Verbs as `present|participle`."""
    return {fact: list(dict.fromkeys("|".join(pair) for pair in pairs)) for fact, pairs in table.items()}


def _headings() -> dict[str, list[tuple[str, str]]]:
    """The motions' own verbs, and every heading verb with every direction."""
    return {
        motion: [
            *own,
            *(
                (f"{present} {heading}", f"{participle} {heading}")
                for heading in wording.HEADING_WORDS.get(motion, ())
                for present, participle in wording.HEADING_VERBS
            ),
        ]
        for motion, own in wording.MOTION_WORDS.items()
    }


TABLES: dict[str, Any] = {
    "name": "English",
    "colors": wording.COLOR_WORDS,
    "shapes": {shape: [f"a ~ {word}" for word in words] for shape, words in wording.SHAPE_WORDS.items()},
    "material": "{color} {material}",
    "materials": wording.MATERIAL_WORDS,
    "motions": _pairs(_headings()),
    "backgrounds": wording.BACKGROUND_WORDS,
    "texture": "{texture} {color}",
    "textures": wording.TEXTURE_WORDS,
    "places": [f"{place} a ~ {noun}" for place in wording.PLACES for noun in wording.GROUND_NOUNS],
    "settings": ["the background is ~", "background: ~"],
    "cameras": wording.CAMERA_WORDS,
    "clauses": ["{thing} {motion}", "{thing} {moving}", "{thing} that {motion}", "{thing} is {moving}"],
    "relative": "{thing} {moving}",
    "joints": [" and ", ", while ", " as "],
    "things_joints": [" and ", " with ", " next to "],
    "moving": [
        "{clauses} {place}",
        "{place}, {clauses}",
        "please show me {relatives} {place}",
        "i want a video of {relatives} {place}",
        "make a video of {relatives} {place}",
        "show {relatives}. {setting}",
        "{clauses}. {setting}",
        "{setting}. {clauses}",
    ],
    "still": ["{things} {place}", "an image of {things} {place}", "{things}. {setting}"],
    "two": ["two objects {place}: {clauses}", "two shapes: {clauses} {place}"],
    "bare": ["{clauses}", "a video of {relatives}", "show me {relatives}"],
    "with_camera": ["{text}, {camera}", "{text}. {camera}", "{camera}. {text}", "{text}, and {camera}"],
    "persons": {
        "person": ["a person", "someone", "somebody"],
        "man": ["a man"],
        "woman": ["a woman"],
        "girl": ["a girl"],
        "boy": ["a boy"],
        "character": ["a character", "a cartoon figure", "a figure", "a puppet", "a cartoon person"],
    },
    "hair": {
        color: [f"{word} hair" for word in dict.fromkeys(words)]
        for color, words in puppets.HAIR_WORDS.items()
    },
    "hair_styles": {
        style: ["{hair} in a bun"] if style == "bun" else [f"{style} {{hair}}"] for style in HAIR_STYLES
    },
    "clothes": [f"a ~ {noun}" for noun in dict.fromkeys(puppets.CLOTHES)],
    "looks": ["{person} with {hair} and {clothes}", "{person} in {clothes} with {hair}"],
    "expressions": _pairs(puppets.EXPRESSION_WORDS),
    "miens": puppets.EXPRESSION_ADJECTIVES,
    "actions": _pairs(puppets.ACTION_WORDS),
    "acts": "{expression} and {action}",
    "puppet": [
        "{look} {acts} {place}",
        "{place}, {look} {acts}",
        "{look} who {acts} {place}",
        "please show me {look} who {acts} {place}",
        "{look} {acts}. {setting}",
    ],
    "puppet_bare": ["{look} {acts}", "a video of {look} who {acts}"],
    "numbers": {
        2: ["two", "pair of"],
        3: ["three"],
        4: ["four"],
        5: ["five"],
        6: ["six"],
        7: ["seven"],
        8: ["eight"],
        9: ["nine"],
        10: ["ten"],
        12: ["twelve"],
    },
    "negations": [
        *(
            "no",
            "not",
            "without",
            "never",
            "nobody",
            "nothing",
            "none",
            "doesn't",
            "don't",
            "isn't",
            "aren't",
        ),
        *("can't", "cannot", "won't", "nor"),
    ],
    "common": [
        *(
            "the",
            "a",
            "an",
            "of",
            "to",
            "in",
            "on",
            "at",
            "by",
            "for",
            "from",
            "with",
            "and",
            "or",
            "as",
            "is",
        ),
        *("are", "was", "be", "it", "its", "his", "her", "their", "he", "she", "they", "that", "this", "who"),
        *(
            "over",
            "under",
            "into",
            "through",
            "while",
            "past",
            "above",
            "below",
            "between",
            "out",
            "up",
            "down",
        ),
        *(
            "i",
            "me",
            "my",
            "you",
            "your",
            "we",
            "us",
            "our",
            "s",
            "off",
            "after",
            "before",
            "across",
            "around",
        ),
    ],
    "fillers": tuple(_captioner_words()),
}
