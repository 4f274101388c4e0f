"""What a prompt about the toybox may ask for, drawn at random."""

from dataclasses import dataclass, replace

import numpy as np

from shared.toybox.puppets import puppet
from shared.toybox.puppets.captions import PuppetFacts
from shared.toybox.scenes import vocabulary
from shared.toybox.scenes.captions import ActorFacts, SceneFacts
from shared.toybox.scenes.sampling import Split, pick
from shared.toybox.scenes.vocabulary import BACKGROUNDS, COLORS

KINDS = {"plain": 0.42, "pair": 0.24, "camera": 0.10, "material": 0.08, "figure": 0.16}
"""How often each kind of prompt comes up."""

UNSAID = 0.15
"""Share of training prompts that name no background, and of scenes that name no motion."""

STYLED = 0.3
"""Share of figures whose hair style is named."""

PERSONS = {"person": 0.3, "man": 0.15, "woman": 0.2, "girl": 0.1, "boy": 0.1, "character": 0.15}


@dataclass(frozen=True)
class Figure:
    """A person with what is said of them; `facts` may leave open all but hair and clothes."""

    noun: str
    facts: PuppetFacts


Subject = SceneFacts | Figure
"""A `SceneFacts` whose background is empty leaves it open."""


def draw_subject(rng: np.random.Generator, split: Split = "train") -> Subject:
    """What one prompt asks for; held-out ones say everything and lead with a combination never trained on."""
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    complete = split == "heldout"
    background = "" if not complete and rng.random() < UNSAID else pick(rng, tuple(BACKGROUNDS))
    if kind == "figure":
        return _figure(rng, split, background or None)
    actors = [_actor(rng, split)]
    if kind == "pair":
        other = actors[0]
        while other.color == actors[0].color:
            other = _actor(rng, "train")
        actors.insert(int(rng.integers(2)), other)
    if kind == "material":
        actors = [replace(actors[0], material=pick(rng, vocabulary.MATERIALS))]
    texture, camera = None, "static"
    if kind == "camera":
        texture = pick(rng, vocabulary.TEXTURES) if background and rng.random() < 0.8 else None
        camera = pick(rng, vocabulary.CAMERAS)
    scene = SceneFacts(tuple(actors), background, texture, camera)
    return still(scene) if not complete and rng.random() < UNSAID else scene


def still(scene: SceneFacts) -> SceneFacts:
    """The scene without its motions and its camera."""
    actors = tuple(replace(actor, motion=None) for actor in scene.actors)
    return replace(scene, actors=actors, camera=None)


def _actor(rng: np.random.Generator, split: Split) -> ActorFacts:
    while True:
        color, shape = pick(rng, tuple(COLORS)), pick(rng, vocabulary.SHAPES)
        motion = pick(rng, vocabulary.MOTIONS)
        held_out = vocabulary.is_held_out(color, shape, motion)
        if vocabulary.is_decidable(shape, motion) and held_out == (split == "heldout"):
            return ActorFacts(color, shape, motion)


def _figure(rng: np.random.Generator, split: Split, background: str | None) -> Figure:
    while True:
        hair, clothes = pick(rng, tuple(puppet.HAIRS)), pick(rng, tuple(COLORS))
        expression = pick(rng, puppet.EXPRESSIONS)
        if puppet.is_held_out(hair, clothes, expression) == (split == "heldout"):
            break
    action = pick(rng, puppet.ACTIONS)
    style = pick(rng, puppet.HAIR_STYLES) if rng.random() < STYLED else None
    noun = str(rng.choice(list(PERSONS), p=list(PERSONS.values())))
    return Figure(noun, PuppetFacts(hair, clothes, background, expression, action, style))
