"""Sentences about puppets: the plain form, several wordings per fact, and the paper's structured captions."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from shared.errors import InputError
from shared.toybox.puppets.puppet import Puppet
from shared.toybox.scenes.sampling import pick
from shared.toybox.scenes.wording import BACKGROUND_WORDS, COLOR_WORDS

Style = Literal["plain", "any", "structured"]

SUBJECTS = (
    *("person", "person", "man", "woman", "character", "puppet", "cartoon figure", "cartoon person"),
    *("figure", "girl", "boy"),
)
CLOTHES = ("shirt", "shirt", "sweater", "top", "jacket", "jumper", "t-shirt", "pullover")
HAIR_WORDS = {
    "black": ("black", "black", "dark", "jet-black"),
    "brown": ("brown", "brown", "chestnut"),
    "red": ("red", "red", "ginger"),
    "blond": ("blond", "blonde", "golden", "fair"),
    "white": ("white", "white", "silver", "snow-white"),
    "blue": ("blue", "blue", "bright blue"),
}
PLACES = (
    *("on a {} background", "on a {} background", "against a {} background", "in front of a {} wall"),
    *("before a {} backdrop", "over a {} background"),
)

# Each wording is (she ..., ...ing).
Wordings = tuple[tuple[str, str], ...]
EXPRESSION_WORDS: dict[str, Wordings] = {
    "smiling": (
        *(("smiles", "smiling"), ("smiles", "smiling"), ("grins", "grinning"), ("laughs", "laughing")),
        *(("looks happy", "looking happy"), ("beams", "beaming"), ("has a big smile", "showing a big smile")),
    ),
    "frowning": (
        *(("frowns", "frowning"), ("frowns", "frowning"), ("looks angry", "looking angry")),
        *(("scowls", "scowling"), ("looks grumpy", "looking grumpy"), ("looks upset", "looking upset")),
    ),
    "surprised": (
        *(("looks surprised", "looking surprised"), ("gasps", "gasping"), ("is amazed", "looking amazed")),
        *(("looks astonished", "looking astonished"), ("stares in surprise", "staring in surprise")),
    ),
    "talking": (
        *(("talks", "talking"), ("talks", "talking"), ("speaks", "speaking"), ("chats", "chatting")),
        *(("says something", "saying something"), ("tells a story", "telling a story")),
    ),
    "neutral": (
        *(("keeps a neutral face", "keeping a neutral face"), ("looks calm", "looking calm")),
        *(("shows no emotion", "showing no emotion"), ("looks relaxed", "looking relaxed")),
    ),
}
ACTION_WORDS: dict[str, Wordings] = {
    "still": (("keeps still", "keeping still"), ("does not move", "without moving")),
    "nodding": (
        *(("nods", "nodding"), ("nods", "nodding"), ("nods the head", "nodding the head")),
        ("moves the head up and down", "moving the head up and down"),
    ),
    "shaking the head": (
        *(("shakes the head", "shaking the head"), ("shakes the head", "shaking the head")),
        ("turns the head from side to side", "turning the head from side to side"),
    ),
    "waving": (
        *(("waves", "waving"), ("waves", "waving"), ("waves a hand", "waving a hand")),
        *(("waves hello", "waving hello"), ("greets with a raised hand", "greeting with a raised hand")),
    ),
    "tilting the head": (
        *(("tilts the head", "tilting the head"), ("tilts the head", "tilting the head")),
        ("leans the head left and right", "leaning the head left and right"),
    ),
    "swaying": (
        *(("sways", "swaying"), ("sways from side to side", "swaying from side to side")),
        ("rocks to and fro", "rocking to and fro"),
    ),
}
EXPRESSION_ADJECTIVES = {
    "smiling": ("smiling", "happy", "grinning", "laughing"),
    "frowning": ("frowning", "angry", "grumpy"),
    "surprised": ("surprised", "amazed", "astonished"),
    "talking": ("talking", "speaking"),
    "neutral": ("calm", "relaxed", "neutral"),
}
SHOTS = ("medium close-up", "close-up shot", "portrait", "head-and-shoulders shot")
STYLES = ("flat cartoon", "simple animation", "puppet show", "clean vector graphics")
LIGHTS = ("even lighting", "flat studio light", "soft light without shadows")
MOODS = {
    "smiling": ("cheerful", "happy", "friendly"),
    "frowning": ("tense", "grim", "angry"),
    "surprised": ("astonished", "exciting"),
    "talking": ("lively", "conversational"),
    "neutral": ("calm", "quiet"),
}


@dataclass(frozen=True)
class PuppetFacts:
    """What a caption says and a judge can check: known words, None where nothing is said."""

    hair: str | None
    clothes: str | None
    background: str | None
    expression: str | None
    action: str | None
    hair_style: str | None = None


@dataclass(frozen=True)
class Words:
    """One choice of words for every fact; what a puppet does may be empty.

    Attributes:
        noun: "woman".
        hair: "red hair in a bun".
        clothes: "blue top".
        place: "on a gray background".
        acts: "smiles and waves".
        acting: "smiling and waving".
        mien: "happy", for before the noun.
        moves: "waves", for after it.
    """

    noun: str
    hair: str
    clothes: str
    place: str
    acts: str
    acting: str
    mien: str
    moves: str


def describe_puppet(puppet: Puppet, *, still: bool = False) -> PuppetFacts:
    """The facts that captions state and judges measure, of a clip or of its first frame alone."""
    return PuppetFacts(
        hair=puppet.hair,
        clothes=puppet.clothes,
        background=puppet.background,
        expression=None if still and puppet.expression == "talking" else puppet.expression,
        action=None if still else puppet.action,
        hair_style=puppet.hair_style,
    )


def caption_puppet(
    puppet: Puppet, rng: np.random.Generator, style: Style = "plain", *, still: bool = False
) -> str:
    """A caption of a puppet's clip or picture.

    Args:
        puppet: what is shown.
        rng: chooses the words; the plain style needs no choice.
        style: "plain" is one fixed sentence, "any" one of several wordings, "structured" joins short, dense,
            background, style, shot, lighting and atmosphere with drop-out and permutation (paper, 3.2).
        still: the caption is of one frame, so movement and talk are left out.

    Raises:
        InputError: the style has another name.
    """
    if style not in ("plain", "any", "structured"):
        raise InputError(f"Unknown caption style {style!r}: use 'plain', 'any' or 'structured'.")
    facts = describe_puppet(puppet, still=still)
    if style == "plain":
        return plain(facts)
    if style == "any":
        return sentence(choose_words(facts, rng), rng)
    return structured(facts, rng)


def caption_skeleton(puppet: Puppet, rng: np.random.Generator, *, still: bool = False) -> str:
    """A caption of a puppet's skeleton drawing: what it is and how it moves."""
    what = pick(rng, ("a skeleton drawing of a person", "a colored stick figure", "a pose skeleton"))
    acts = "" if still else " that " + pick(rng, ACTION_WORDS[puppet.action])[0]
    return f"{what}{acts} on a black background"


def colors(facts: PuppetFacts) -> tuple[str, str, str]:
    """Words for hair, clothes and background, without which there is no caption.

    Raises:
        InputError: one of them is not stated.
    """
    if facts.hair is None or facts.clothes is None or facts.background is None:
        raise InputError(f"a caption needs hair, clothes and background, not {facts}")
    return facts.hair, facts.clothes, facts.background


def plain(facts: PuppetFacts) -> str:
    """The fixed sentence: a person with red hair and a blue shirt smiles and waves on a gray background."""
    hair, clothes, background = colors(facts)
    words = [EXPRESSION_WORDS[facts.expression][0][0]] if facts.expression else []
    if facts.action is not None and facts.action != "still":
        words.append(ACTION_WORDS[facts.action][0][0])
    look = f"a person with {hair} hair and {article(clothes)} shirt"
    return " ".join(filter(None, (look, " and ".join(words), f"on {article(background)} background")))


def choose_words(facts: PuppetFacts, rng: np.random.Generator) -> Words:
    """A random wording of every fact."""
    hair_color, clothes, background = colors(facts)
    shown = [pick(rng, EXPRESSION_WORDS[facts.expression])] if facts.expression else []
    # That nothing moves is mostly left unsaid.
    if facts.action and (facts.action != "still" or rng.random() < 0.3):
        shown.append(pick(rng, ACTION_WORDS[facts.action]))
    hair = pick(rng, HAIR_WORDS[hair_color]) + " hair"
    if rng.random() < 0.4:
        hair = f"{hair} in a bun" if facts.hair_style == "bun" else f"{facts.hair_style} {hair}"
    return Words(
        noun=pick(rng, SUBJECTS),
        hair=hair,
        clothes=f"{pick(rng, COLOR_WORDS[clothes])} {pick(rng, CLOTHES)}",
        place=pick(rng, PLACES).replace("a {}", article(pick(rng, BACKGROUND_WORDS[background]))),
        acts=" and ".join(finite for finite, _ in shown),
        acting=" and ".join(participle for _, participle in shown),
        mien=pick(rng, EXPRESSION_ADJECTIVES[facts.expression]) if facts.expression else "",
        moves=shown[1][0] if len(shown) > 1 else "",
    )


def sentence(words: Words, rng: np.random.Generator) -> str:
    """One of several sentence patterns that state all facts."""
    noun, clothes = article(words.noun), article(words.clothes)
    look = pick(
        rng,
        (
            f"{noun} with {words.hair} and {clothes}",
            f"{noun} with {words.hair} in {clothes}",
            f"{noun} in {clothes} with {words.hair}",
            f"{noun} with {words.hair}, wearing {clothes},",
            f"{noun} who has {words.hair} and wears {clothes}",
        ),
    )
    if not words.acts:
        text = pick(rng, (f"{look} {words.place}", f"a picture of {look} {words.place}"))
    else:
        text = pick(
            rng,
            (
                f"{look} {words.acts} {words.place}",
                f"{words.place}, {look} {words.acts}",
                f"{look} {words.acting} {words.place}",
                f"{words.hair}, {words.clothes}, {words.acting}, {words.place}",
                f"{words.place} {noun} {words.acts}: {words.hair} and {clothes}",
                f"{article(words.mien)} {look.split(' ', 1)[1]} {words.moves} {words.place}",
            ),
        )
    text = text.replace(",,", ",").replace("  ", " ")
    return text[0].upper() + text[1:] + "." if rng.random() < 0.5 else text


def structured(facts: PuppetFacts, rng: np.random.Generator) -> str:
    """The captioner's fields in random order, each but the description dropped at times (section 3.2)."""
    words = choose_words(facts, rng)
    short = f"{article(words.noun)} with {words.hair} and {article(words.clothes)} {words.acts}".strip()
    main = [sentence_case(f"{short} {words.place}") if rng.random() < 0.4 else sentence_case(short)]
    dense = sentence(replace(choose_words(facts, rng), noun=words.noun), rng).rstrip(".")
    main = pick(rng, (main, [sentence_case(dense)], [*main, sentence_case(dense)]))
    fields = [
        sentence_case(f"The background is {pick(rng, BACKGROUND_WORDS[colors(facts)[2]])}"),
        sentence_case(f"Style: {pick(rng, STYLES)}"),
        sentence_case(f"Shot: {pick(rng, SHOTS)}"),
        sentence_case(pick(rng, LIGHTS)),
    ]
    if facts.expression:
        fields.append(sentence_case(f"The mood is {pick(rng, MOODS[facts.expression])}"))
    # A short description alone does not name the background, so that field then stays.
    kept = [field for i, field in enumerate(fields) if rng.random() < 0.5 or (i == 0 and len(main) == 1)]
    parts = main + kept
    return " ".join(parts[i] for i in rng.permutation(len(parts)))


def sentence_case(text: str) -> str:
    """First letter large, full stop at the end."""
    return text[0].upper() + text[1:] + "."


def article(words: str) -> str:
    """The words with their indefinite article."""
    return ("an " if words[0] in "aeiou" else "a ") + words
