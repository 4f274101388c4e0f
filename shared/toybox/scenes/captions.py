"""Says in words what a scene shows: the plain form, free wordings, and the paper's structured captions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from shared.errors import InputError
from shared.toybox.scenes import wording
from shared.toybox.scenes.sampling import Choice, pick
from shared.toybox.scenes.scene import Scene

Style = Literal["plain", "any", "structured"]

KEEP = 0.45
"""Probability of each optional part of a structured caption."""


@dataclass(frozen=True)
class ActorFacts:
    """What a caption says of one object: words of `palette` and `vocabulary`."""

    color: str
    shape: str
    motion: str | None
    material: str | None = None


@dataclass(frozen=True)
class SceneFacts:
    """What a caption says of a scene; `motion` and `camera` are None in a still, `texture` if plain."""

    actors: tuple[ActorFacts, ...]
    background: str
    texture: str | None = None
    camera: str | None = "static"


def describe_scene(scene: Scene, *, still: bool = False) -> SceneFacts:
    """The facts of a scene, or of its first frame alone."""
    actors = tuple(
        ActorFacts(actor.color, actor.shape, None if still else actor.motion, actor.material)
        for actor in scene.actors
    )
    return SceneFacts(actors, scene.background, scene.texture, None if still else scene.camera)


def caption_scene(
    scene: Scene, rng: np.random.Generator, style: Style = "plain", *, still: bool = False
) -> str:
    """A caption from which every fact of `describe_scene` can be read.

    Args:
        scene: what is shown.
        rng: chooses among the wordings; `plain` has only one.
        style: `plain` ("a red circle moves right on a gray background"), `any` (free wording, order, case and
            punctuation), or `structured` (parts with drop-out and permutation; paper, section 3.2).
        still: for a single frame: no motion and no camera.

    Raises:
        InputError: an unknown style.
    """
    return caption_facts(describe_scene(scene, still=still), rng, style)


def caption_facts(facts: SceneFacts, rng: np.random.Generator, style: Style = "plain") -> str:
    """As `caption_scene`, from the facts alone."""
    if style == "plain":
        speaker = _Speaker(facts, None)
        body = "{things} {place}" if _is_still(facts) else "{moves} {place}"
        return speaker.fill(body) + (f", {speaker.camera()}" if facts.camera not in (None, "static") else "")
    if style == "any":
        return punctuate(_free(facts, rng), rng)
    if style == "structured":
        return assemble(
            _parts(facts, rng), rng, always=("background", *(["camera"] if _moves(facts) else []))
        )
    raise InputError(f"caption style {style!r}: need plain, any or structured")


def punctuate(text: str, rng: np.random.Generator) -> str:
    """One of the ways in which people type: all lower case, capitals, with or without the last full stop."""
    manner = rng.random()
    if manner < 0.35:
        return text
    text = ". ".join(sentence[:1].upper() + sentence[1:] for sentence in text.split(". "))
    return text if manner < 0.6 else text + "."


def assemble(parts: Mapping[str, str], rng: np.random.Generator, always: Sequence[str] = ()) -> str:
    """Put the parts of a structured caption together with drop-out and permutation (paper, section 3.2).

    Args:
        parts: text by name of `wording.LABELS`; `short` and `dense` each say all that matters on their own,
            so one of them may be dropped.
        rng: chooses parts, order and pattern.
        always: names of parts that are never dropped.
    """
    main = pick(rng, ("short", "dense", "both"))
    names = [name for name in ("short", "dense") if main in (name, "both")]
    names += [n for n in parts if n not in ("short", "dense") and (n in always or rng.random() < KEEP)]
    if rng.random() < 0.6:
        names = [names[i] for i in rng.permutation(len(names))]
    if rng.random() < 0.5:
        sentences = [parts[name][:1].upper() + parts[name][1:] for name in names]
        return ". ".join(sentences) + "."
    labelled = [f"{pick(rng, wording.LABELS[name])}: {parts[name]}" for name in names]
    return (
        "; ".join(labelled)
        if rng.random() < 0.5
        else ". ".join(part[:1].upper() + part[1:] for part in labelled) + "."
    )


def _is_still(facts: SceneFacts) -> bool:
    return facts.actors[0].motion is None


def _moves(facts: SceneFacts) -> bool:
    """Whether the camera does."""
    return facts.camera not in (None, "static")


def _free(facts: SceneFacts, rng: np.random.Generator) -> str:
    speaker = _Speaker(facts, rng)
    text = speaker.fill(pick(rng, wording.STILL_SENTENCES if _is_still(facts) else wording.SENTENCES))
    if facts.camera is None or (facts.camera == "static" and rng.random() < (0.5 if facts.texture else 0.95)):
        return text
    camera, joint = speaker.camera(), pick(rng, wording.CAMERA_JOINTS)
    return f"{camera}. {text}" if rng.random() < 0.25 else f"{text}{joint}{camera}"


def _parts(facts: SceneFacts, rng: np.random.Generator) -> dict[str, str]:
    speaker = _Speaker(facts, rng)
    still = _is_still(facts)
    parts = {
        "short": speaker.fill("{things}" if still else pick(rng, ("{moves}", "{moving}", "{is_moving}"))),
        "dense": speaker.fill("{things} {place}" if still else "{is_moving} {place}")
        + ", "
        + speaker.setting(),
        "background": speaker.ground(article=True),
        "style": pick(rng, wording.STYLES),
        "shot": pick(rng, wording.SHOTS),
        "lighting": pick(rng, wording.LIGHTING[facts.background]),
    }
    if not still:
        parts["atmosphere"] = pick(rng, wording.ATMOSPHERES[facts.actors[0].motion or "left"])
        parts["camera"] = speaker.camera()
    return parts


class _Speaker:
    """Words one scene's facts; without a generator always in the first wording of each table."""

    def __init__(self, facts: SceneFacts, rng: np.random.Generator | None) -> None:
        self.facts, self.rng = facts, rng
        self.actors = facts.actors if rng is None or rng.random() < 0.5 else facts.actors[::-1]
        self.noun = self.choose(wording.GROUND_NOUNS)

    def choose(self, options: Sequence[Choice]) -> Choice:
        return options[0] if self.rng is None else pick(self.rng, options)

    def fill(self, template: str) -> str:
        """A sentence in which each {slot} that stands in the template is said."""
        slots = {
            "{moves}": lambda: self.join("moves", 0),
            "{moving}": lambda: self.join("moving", 1),
            "{is_moving}": lambda: self.join("moves", 1, "is "),
            "{things}": lambda: self.choose(wording.JOINTS["things"]).join(
                self.thing(a) for a in self.actors
            ),
            "{place}": lambda: f"{self.choose(wording.PLACES)} {self.ground(article=True)}",
            "{wall}": lambda: self.ground(article=True),
            "{ground}": lambda: self.ground(article=False),
        }
        for slot, say in slots.items():
            if slot in template:
                template = template.replace(slot, say())
        return template

    def join(self, joints: str, form: int, auxiliary: str = "") -> str:
        clauses = [
            f"{self.thing(a)} {auxiliary}{self.motion(a.motion or '', form, bool(auxiliary))}"
            for a in self.actors
        ]
        return self.choose(wording.JOINTS[joints]).join(clauses)

    def thing(self, actor: ActorFacts) -> str:
        words = [self.choose(wording.COLOR_WORDS[actor.color]), self.choose(wording.SHAPE_WORDS[actor.shape])]
        if actor.material is not None:
            material = self.choose(wording.MATERIAL_WORDS[actor.material])
            if self.rng is not None and self.rng.random() < 0.2:
                return f"{_with_article(' '.join(words))} made of {actor.material}"
            words.insert(1, material)
        return _with_article(" ".join(words))

    def motion(self, motion: str, form: int, after_is: bool) -> str:
        """A verb phrase: the present (form 0) or the participle (1)."""
        options = [
            pair for pair in wording.MOTION_WORDS[motion] if not (after_is and pair[form].startswith("that"))
        ]
        if motion in wording.HEADING_WORDS and not (
            options and self.rng is not None and self.rng.random() < 0.3
        ):
            verb = self.choose(wording.HEADING_VERBS)
            return f"{verb[form]} {self.choose(wording.HEADING_WORDS[motion])}"
        return self.choose([pair[form] for pair in options])

    def ground(self, article: bool) -> str:
        color = self.choose(wording.BACKGROUND_WORDS[self.facts.background])
        if self.facts.texture is not None:
            color = f"{self.choose(wording.TEXTURE_WORDS[self.facts.texture])} {color}"
        elif article:
            color = f"{self.choose(wording.PLAIN_GROUND_WORDS)} {color}".strip()
        return _with_article(f"{color} {self.noun}") if article else color

    def camera(self) -> str:
        return self.choose(wording.CAMERA_WORDS[self.facts.camera or "static"])

    def setting(self) -> str:
        return self.choose(
            ("nothing else in view", "seen from the front", "with clear edges", "in full view")
        )


def _with_article(phrase: str) -> str:
    return ("an " if phrase[0] in "aeio" else "a ") + phrase  # "a uniform"; no other word begins with u
