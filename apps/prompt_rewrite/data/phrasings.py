"""Prompts as people write them: what is asked for, in one of the six languages and one of many phrasings."""

from collections.abc import Sequence

import numpy as np

from apps.prompt_rewrite.data.facts import Figure, Subject
from apps.prompt_rewrite.languages import Language
from shared.toybox.puppets.captions import PuppetFacts
from shared.toybox.scenes.captions import ActorFacts, SceneFacts, punctuate
from shared.toybox.scenes.sampling import pick

STATIC_SAID = 0.05
"""Share of prompts that say of a camera that it does not move."""


def say(subject: Subject, language: Language, rng: np.random.Generator) -> str:
    """A prompt that asks for `subject`, from which every fact of it can be read."""
    speaker = _Speaker(language, rng)
    text = speaker.scene(subject) if isinstance(subject, SceneFacts) else speaker.figure(subject)
    if not language.spaced:
        return text
    return punctuate(" ".join(text.split()), rng)


class _Speaker:
    def __init__(self, language: Language, rng: np.random.Generator) -> None:
        self.language, self.rng = language, rng

    def choose(self, ways: Sequence[str]) -> str:
        return pick(self.rng, ways)

    def scene(self, scene: SceneFacts) -> str:
        text = self.fill(self.template(scene), scene)
        if scene.camera is None or (scene.camera == "static" and self.rng.random() >= STATIC_SAID):
            return text
        camera = self.choose(self.language.cameras[scene.camera])
        return self.choose(self.language.with_camera).format(text=text, camera=camera)

    def template(self, scene: SceneFacts) -> str:
        spoken = self.language
        if scene.actors[0].motion is None:
            return self.choose(spoken.still) if scene.background else "{things}"
        if not scene.background:
            return self.choose(spoken.bare)
        if len(scene.actors) == 2 and self.rng.random() < 0.15:
            return self.choose(spoken.two)
        return self.choose([*spoken.moving, *(spoken.single if len(scene.actors) == 1 else ())])

    def fill(self, template: str, scene: SceneFacts) -> str:
        """The template with what it asks for; a clause is worded once for each object."""
        spoken, actors = self.language, scene.actors
        slots = {
            "clauses": lambda: self.choose(spoken.joints).join(self.clause(actor) for actor in actors),
            "relatives": lambda: self.choose(spoken.things_joints).join(self.relative(a) for a in actors),
            "things": lambda: self.choose(spoken.things_joints).join(self.thing(actor) for actor in actors),
            "thing": lambda: self.thing(actors[0]),
            "motion": lambda: self.motion(actors[0])[0],
            "place": lambda: self.ground(spoken.places, scene.background, scene.texture),
            "setting": lambda: self.ground(spoken.settings, scene.background, scene.texture),
        }
        return template.format(
            **{name: words() for name, words in slots.items() if f"{{{name}}}" in template}
        )

    def clause(self, actor: ActorFacts) -> str:
        gender, noun = self.shape(actor)
        motion, moving = self.motion(actor, gender)
        template = self.choose(self.language.clauses)
        return template.format(thing=self.colored(gender, noun, actor), motion=motion, moving=moving)

    def relative(self, actor: ActorFacts) -> str:
        """An object with its motion as a noun phrase; the motion may stand before the colour."""
        gender, noun = self.shape(actor)
        motion, moving = self.motion(actor, gender)
        way = self.language.relative
        if "{color}" in way:
            return self.colored(gender, noun, actor, way.replace("{motion}", motion))
        return way.format(thing=self.colored(gender, noun, actor), motion=motion, moving=moving)

    def thing(self, actor: ActorFacts) -> str:
        return self.colored(*self.shape(actor), actor)

    def shape(self, actor: ActorFacts) -> tuple[str, str]:
        """Gender and words of the noun."""
        return self.language.noun(self.choose(self.language.shapes[actor.shape]))

    def colored(self, gender: str, noun: str, actor: ActorFacts, around: str = "{color}") -> str:
        """The noun with its colour and material; `around` is what stands with the colour."""
        spoken = self.language
        color = spoken.form(self.choose(spoken.colors[actor.color]), gender)
        way, material = "{thing}", ""
        if actor.material is not None:
            way, material = spoken.material, self.choose(spoken.materials[actor.material])
        if "{color}" in way:
            color, way = way.format(color=color, material=material), "{thing}"
        thing = self.with_article(noun.replace("~", around.format(color=color)))
        return way.format(thing=thing, material=material)

    def motion(self, actor: ActorFacts, gender: str = "") -> tuple[str, str]:
        """The motion as a verb, and in the form that stands with a noun (the same where there is one form)."""
        words = self.choose(self.language.motions[actor.motion or ""])
        ways = self.language.form(words, gender).split("|") if gender else words.split("|")
        return ways[0], ways[-1]

    def ground(self, nouns: Sequence[str], background: str, texture: str | None) -> str:
        spoken = self.language
        gender, noun = spoken.noun(self.choose(nouns))
        color = spoken.form(self.choose(spoken.backgrounds[background]), gender)
        if texture is not None:
            words = spoken.form(self.choose(spoken.textures[texture]), gender)
            color = spoken.texture.format(color=color, texture=words)
        return self.with_article(noun.replace("~", color))

    def with_article(self, text: str) -> str:
        """English says "an orange ball"."""
        if self.language.code != "en":
            return text
        return " ".join(
            "an" if word == "a" and following[:1] in "aeio" else word
            for word, following in zip(text.split(), [*text.split()[1:], "-"], strict=True)
        )

    def figure(self, figure: Figure) -> str:
        spoken, facts = self.language, figure.facts
        template = self.choose(spoken.puppet if facts.background else spoken.puppet_bare)
        slots = {"look": self.look(figure), "acts": self.acts(facts)}
        if facts.background:
            slots["place"] = self.ground(spoken.places, facts.background, None)
            slots["setting"] = self.ground(spoken.settings, facts.background, None)
        return template.format(**slots)

    def look(self, figure: Figure) -> str:
        spoken, facts = self.language, figure.facts
        hair = self.choose(spoken.hair[facts.hair or ""])
        if facts.hair_style is not None:
            hair = self.choose(spoken.hair_styles[facts.hair_style]).format(hair=hair)
        gender, noun = spoken.noun(self.choose(spoken.clothes))
        color = spoken.form(self.choose(spoken.colors[facts.clothes or ""]), gender)
        return self.choose(spoken.looks).format(
            person=self.choose(spoken.persons[figure.noun]),
            hair=hair,
            clothes=self.with_article(noun.replace("~", color)),
        )

    def acts(self, facts: PuppetFacts) -> str:
        """What the figure shows and does; the expression may stand in the form before another verb."""
        spoken = self.language
        shown = self.choose(spoken.expressions[facts.expression or ""]).split("|")
        action = self.choose(spoken.actions[facts.action or ""]).split("|")[0]
        return spoken.acts.format(expression=shown[0], expressing=shown[-1], action=action)
