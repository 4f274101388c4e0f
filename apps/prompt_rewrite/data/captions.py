"""The rewrites that the starter learns: what a prompt asks for, in the words of the video model's captions.

`normal` is the plain caption, `master` the structured one with composition, lighting and camera (paper, section 3.2:
short and dense description, background, style, shot type, lighting, atmosphere, camera movement).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.prompt_rewrite.request import Mode
from shared.toybox.puppets import captions
from shared.toybox.scenes import wording

if TYPE_CHECKING:
    from apps.prompt_rewrite.data.facts import Figure, Subject
    from shared.toybox.scenes.captions import ActorFacts, SceneFacts


def caption(subject: Subject, mode: Mode) -> str:
    """The one rewrite of a prompt that asks for `subject`: nothing of it left out, no fact added."""
    from shared.toybox.scenes.captions import SceneFacts

    if isinstance(subject, SceneFacts):
        return _scene(subject) if mode == "normal" else _structured_scene(subject)
    return _figure(subject) if mode == "normal" else _structured_figure(subject)


def _scene(scene: SceneFacts, camera: bool = True) -> str:
    text = " and ".join(_actor(actor) for actor in scene.actors)
    if scene.background:
        text += f" on {_background(scene)}"
    if camera and scene.camera not in (None, "static"):
        text += f", {wording.CAMERA_WORDS[scene.camera][0]}"
    return text


def _actor(actor: ActorFacts) -> str:
    material = wording.MATERIAL_WORDS[actor.material][0] if actor.material else ""
    thing = captions.article(" ".join(f"{actor.color} {material} {actor.shape}".split()))
    return f"{thing} {_motion(actor.motion)}" if actor.motion else thing


def _motion(motion: str) -> str:
    if motion in wording.HEADING_WORDS:
        return f"{wording.HEADING_VERBS[0][0]} {wording.HEADING_WORDS[motion][0]}"
    return wording.MOTION_WORDS[motion][0][0]


def _background(scene: SceneFacts) -> str:
    texture = wording.TEXTURE_WORDS[scene.texture][0] if scene.texture else ""
    return captions.article(f"{texture} {scene.background} background".strip())


def _structured_scene(scene: SceneFacts) -> str:
    parts = {"dense": f"{_scene(scene, camera=False)}, in full view"}
    if scene.background:
        parts["background"] = _background(scene)
    parts["style"] = wording.STYLES[0]
    parts["shot"] = wording.SHOTS[0]
    parts["lighting"] = wording.LIGHTING[scene.background or "gray"][0]
    if scene.camera is not None:
        parts["atmosphere"] = wording.ATMOSPHERES[scene.actors[0].motion or "left"][0]
        parts["camera"] = wording.CAMERA_WORDS[scene.camera][0]
    return "; ".join(f"{wording.LABELS[name][0]}: {part}" for name, part in parts.items())


def _figure(figure: Figure) -> str:
    facts = figure.facts
    hair = f"{facts.hair} hair"
    if facts.hair_style:
        hair = f"{hair} in a bun" if facts.hair_style == "bun" else f"{facts.hair_style} {hair}"
    acts = [captions.EXPRESSION_WORDS[facts.expression][0][0]] if facts.expression else []
    if facts.action:
        acts.append(captions.ACTION_WORDS[facts.action][0][0])
    clothes = captions.article(f"{facts.clothes} shirt")
    text = " ".join(filter(None, (f"a {figure.noun} with {hair} and {clothes}", " and ".join(acts))))
    return f"{text} on {captions.article(facts.background)} background" if facts.background else text


def _structured_figure(figure: Figure) -> str:
    facts = figure.facts
    parts = [_figure(figure)]
    if facts.background:
        parts.append(f"the background is {facts.background}")
    parts += [
        f"style: {captions.STYLES[0]}",
        f"shot: {captions.SHOTS[0]}",
        captions.LIGHTS[0],
    ]
    if facts.expression:
        parts.append(f"the mood is {captions.MOODS[facts.expression][0]}")
    parts.append(wording.CAMERA_WORDS["static"][0])
    return ". ".join(parts) + "."
