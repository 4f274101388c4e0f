"""`kinora evaluate rewrite`: what rewrites keep of held-out prompts, judged on the text by rules that know no model.

The truth is what a prompt was made from; the toybox's own readers read the rewrite. A prompt that the rewriter gives
back unchanged counts as it stands: in another language than English nothing of it can be read.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, get_args

from apps.prompt_rewrite.request import Mode
from foundation.evaluation.cli import EvaluationRequest
from shared.config import setting

if TYPE_CHECKING:
    from apps.prompt_rewrite.data.facts import Figure, Subject
    from apps.prompt_rewrite.pipeline import PromptRewriter
    from foundation.evaluation.report import Scores, Tally
    from shared.toybox.scenes.captions import SceneFacts

OUTSIDE = Path(__file__).with_name("outside.yaml")


@dataclass(frozen=True)
class Evaluation(EvaluationRequest):
    """Settings of `kinora evaluate rewrite`."""

    count: int = setting(300, "held-out prompts, over six languages", minimum=6, maximum=100_000)
    clips: int = setting(
        0, "clips per language, made from prompts raw and rewritten and judged", minimum=0, maximum=1000
    )


@dataclass(frozen=True)
class Asked:
    """A prompt and what it asks for."""

    text: str
    subject: Subject
    language: str


def evaluate(request: Evaluation) -> Scores:
    """Judge the rewriter of a model folder."""
    from apps.prompt_rewrite.backends.starter import StarterBackend
    from apps.prompt_rewrite.pipeline import PromptRewriter
    from foundation.checkpoints.registry import resolve
    from foundation.evaluation.report import Scores, Tally

    folder = resolve(request.model) / "prompt_rewrite"
    tally, clock = Tally(), Clock()
    with PromptRewriter(StarterBackend(folder)) as rewriter:
        rewriter("a red circle moves right on a gray background")  # loads the model, which is not measured
        asked = list(held_out(request.count))
        for mode in get_args(Mode):
            for one in asked:
                judge_prompt(rewriter, one, mode, tally, clock)
        unchanged = sum(judge_outside(rewriter, entry, tally) for entry in outside_prompts())
        raw = list(clip_prompts(request.clips))
        rewritten = [rewriter(one.text).text for one in raw]
    figures = {**clock.figures(), "prompts outside the toybox left unchanged": float(unchanged)}
    if raw:
        judge_clips(request.model, raw, rewritten, tally)
    return Scores("rewrite", {"prompts": len(asked), "clips": len(raw)}, tally.shares(), figures)


class Clock:
    """Seconds to the first piece of a rewrite and to its end."""

    def __init__(self) -> None:
        self.first: list[float] = []
        self.whole: list[float] = []

    def figures(self) -> dict[str, float]:
        """Median and slowest."""
        return {
            f"{name} (s), {kind}": of(times)
            for name, times in (("first token", self.first), ("whole rewrite", self.whole))
            for kind, of in (("median", median), ("slowest", max))
            if times
        }

    def rewrite(self, rewriter: PromptRewriter, prompt: str, mode: Mode) -> str:
        """The rewrite of a prompt, timed."""
        pieces: list[float] = []
        start = time.perf_counter()
        rewrite = rewriter(prompt, mode, on_text=lambda _: pieces.append(time.perf_counter()))
        self.whole.append(time.perf_counter() - start)
        self.first += [pieces[0] - start] if pieces else []
        return rewrite.text


def held_out(count: int) -> Iterator[Asked]:
    """Prompts that ask for combinations never trained on, in the six languages in turn."""
    import numpy as np

    from apps.prompt_rewrite.data.pairs import draw_prompt
    from apps.prompt_rewrite.languages import CODES, language

    for number in range(count):
        code = CODES[number % len(CODES)]
        text, subject = draw_prompt(np.random.default_rng([number, 8]), language(code), "heldout")
        yield Asked(text, subject, code)


def judge_prompt(rewriter: PromptRewriter, asked: Asked, mode: Mode, tally: Tally, clock: Clock) -> None:
    """Rewrite one prompt, and count which of its facts the rewrite states."""
    kept = facts_kept(asked.subject, clock.rewrite(rewriter, asked.text, mode))
    tally.add(mode, kept)
    tally.add(f"{mode}, all facts by language", {asked.language: all(kept.values())})


def facts_kept(subject: Subject, text: str) -> dict[str, bool]:
    """Which facts a rewrite states, read by the toybox's own rules."""
    from shared.toybox.scenes.captions import SceneFacts

    return _scene_kept(subject, text) if isinstance(subject, SceneFacts) else _figure_kept(subject, text)


def _scene_kept(asked: SceneFacts, text: str) -> dict[str, bool]:
    from shared.toybox.scenes.reading import read_scene

    read = read_scene(text)
    told = {actor.color: actor for actor in read.actors} if read else {}

    def same(name: str) -> bool:
        return all(
            actor.color in told and getattr(told[actor.color], name) == getattr(actor, name)
            for actor in asked.actors
        )

    kept = {
        "color": {actor.color for actor in asked.actors} == set(told),
        "shape": same("shape"),
        "motion": same("motion"),
        "count": read is not None and len(read.actors) == len(asked.actors),
        "background": read is not None and read.background == asked.background,
        "camera": read is not None and read.camera == asked.camera,
    }
    if asked.actors[0].material:
        kept["material"] = same("material")
    if asked.texture:
        kept["texture"] = read is not None and read.texture == asked.texture
    return kept


def _figure_kept(asked: Figure, text: str) -> dict[str, bool]:
    from shared.toybox.puppets.reading import read_puppet

    read = read_puppet(text)
    names = ("hair", "clothes", "background", "expression", "action", "hair_style")
    wanted = {name: getattr(asked.facts, name) for name in names}
    kept = {
        name.replace("_", " "): read is not None and getattr(read, name) == value
        for name, value in wanted.items()
        if value is not None
    }
    return kept | {"person": f"a {asked.noun}" in text}


def outside_prompts() -> list[dict[str, Any]]:
    """The prompts outside of the toybox's words, with the nouns and numbers that must stay."""
    from omegaconf import OmegaConf

    entries: Any = OmegaConf.to_container(OmegaConf.load(OUTSIDE))
    return entries


def judge_outside(rewriter: PromptRewriter, entry: dict[str, Any], tally: Tally) -> bool:
    """Count which nouns and numbers a rewrite keeps; whether the prompt was left unchanged."""
    rewrite = rewriter(entry["prompt"])
    text = rewrite.text.lower()
    for kind in ("nouns", "numbers"):
        for ways in entry[kind]:
            tally.add("outside the toybox", {kind: any(way.lower() in text for way in ways.split("|"))})
    return rewrite.is_unchanged


def clip_prompts(count: int) -> Iterator[Asked]:
    """For each language, prompts for one object over a plain background: what every video model here has learned."""
    from itertools import islice

    from apps.prompt_rewrite.languages import CODES
    from shared.toybox.scenes.captions import SceneFacts

    for code in CODES if count else ():
        plain = (
            one
            for one in held_out(200 * count + 200)
            if one.language == code
            and isinstance(one.subject, SceneFacts)
            and len(one.subject.actors) == 1
            and not (one.subject.texture or one.subject.actors[0].material)
            and one.subject.camera == "static"
        )
        yield from islice(plain, count)


def judge_clips(model: str, asked: list[Asked], rewritten: list[str], tally: Tally) -> None:
    """Make clips from raw and from rewritten prompts, with the same seeds, and count the facts that they show."""
    from foundation.evaluation.t2v import Sampling, generate, judge
    from foundation.t2v.pipeline import TextToVideoPipeline

    pipe = TextToVideoPipeline.from_pretrained(model)
    sampling = Sampling(pipe.defaults.steps, pipe.defaults.cfg, float(pipe.defaults.shift))
    for name, prompts in (("raw", [one.text for one in asked]), ("rewritten", rewritten)):
        for one, frames in zip(asked, generate(pipe, prompts, sampling), strict=True):
            shown = judge(frames, one.subject)  # ty: ignore[invalid-argument-type]
            facts = [value for fact, value in shown.items() if fact != "all"]
            tally.add(f"clips from {name} prompts", {one.language: sum(facts) / len(facts)})
