"""Prompts that training never saw, made into clips and judged."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foundation.evaluation.report import Scores, Tally
from foundation.flow.guidance import classifier_free
from foundation.flow.sampler import lead_frames, sample
from foundation.flow.schedule import flow_sigmas
from foundation.models.transformer.conditioning import Conditioning, TextConditioning
from foundation.runtime.video_pipeline import VideoPipeline
from foundation.t2v.pipeline import TextToVideoPipeline
from shared.config import Size
from shared.toybox.judges.puppets import judge_puppet, score_puppet
from shared.toybox.judges.scenes import judge_scene, score_scene
from shared.toybox.mix import caption_clip, toy_clip
from shared.toybox.puppets.captions import PuppetFacts
from shared.toybox.scenes.captions import SceneFacts

WORDINGS = 4
"""Captions of a clip that prompts rotate through: one plain, the others free or structured."""
BATCH = 20

Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class Prompt:
    """A caption of a clip that was never in training, the facts that it states, and the clip's world."""

    text: str
    facts: SceneFacts | PuppetFacts
    world: str


WORLDS = {"scenes": 1.0, "pairs": 0.5, "cameras": 0.5, "puppets": 0.5}
"""What is asked for, and how many prompts for one that asks for a single object."""


@dataclass(frozen=True)
class Sampling:
    """How clips are made; the fields are the user's settings of the same names, None: the model's own."""

    steps: int
    cfg: float
    shift: float
    size: Size | None = None
    frames: int | None = None

    def sigmas(self) -> Tensor:
        """Noise levels (steps + 1,), from 1 to 0."""
        return flow_sigmas(self.steps, self.shift)

    def described(self, size: Size, frames: int) -> dict[str, float | int | str]:
        """The settings as scores keep them, for clips of that size and length."""
        return {
            "size": str(size),
            "frames": frames,
            "steps": self.steps,
            "cfg": self.cfg,
            "shift": self.shift,
        }


def prompt_counts(count: int) -> dict[str, int]:
    """How many prompts of each world go with `count` of single objects."""
    return {world: max(1, int(share * count)) for world, share in WORLDS.items()}


def held_out_prompts(world: str, count: int) -> list[Prompt]:
    """Prompts for combinations that training never saw, in several wordings."""
    prompts = []
    for number in range(count):
        clip = toy_clip(number, world, "heldout")
        prompts.append(Prompt(caption_clip(clip, number % WORDINGS), clip.facts, world))
    return prompts


@dataclass(frozen=True)
class Given:
    """What clips are given beside their prompts.

    Attributes:
        channels: (N, C', T, h, w), what else the transformer is told of each clip.
        known: (N, C, n, h, w), what the first latent frames of each are led to.
        settle: the number of a clip and its latents to those that are decoded.
    """

    channels: Tensor
    known: Tensor
    settle: Callable[[int, Tensor], Tensor]


@torch.no_grad()
def generate(
    pipe: VideoPipeline, prompts: list[str], sampling: Sampling, seed: int = 0, given: Given | None = None
) -> Iterator[Frames]:
    """Clips of one size, `BATCH` at a time; prompt i gets the noise of seed + i.

    Args:
        pipe: the model.
        prompts: what is asked for.
        sampling: how the clips are made.
        seed: of the first clip.
        given: what else the clips are made from.
    """
    width, height = sampling.size or pipe.defaults.size
    frames = sampling.frames or pipe.defaults.frames
    negative, scale = pipe.encode_text("").text, pipe.embedded(None)
    for start in range(0, len(prompts), BATCH):
        part = prompts[start : start + BATCH]
        place = slice(start, start + len(part))
        text = TextConditioning.batch([pipe.encode_text(prompt).text for prompt in part])
        empty = TextConditioning.batch([negative] * len(part))
        noise = torch.cat([pipe.noise(seed + start + i, frames, width, height) for i in range(len(part))])
        told = None if given is None else given.channels[place]
        guidance = None if scale is None else scale.expand(len(part))
        wanted, unwanted = (Conditioning(words, guidance, channels=told) for words in (text, empty))
        velocity = classifier_free(pipe.transformer, wanted, unwanted, sampling.cfg)
        if given is not None:
            velocity = lead_frames(velocity, noise, given.known[place])
        for number, latents in enumerate(sample(velocity, noise, sampling.sigmas()).split(1), start):
            yield pipe.to_media(latents if given is None else given.settle(number, latents))


def judge(frames: Frames, facts: SceneFacts | PuppetFacts) -> dict[str, bool]:
    """Which facts a clip shows, and whether it shows `all` of them."""
    if isinstance(facts, SceneFacts):
        return score_scene(judge_scene(frames), facts)
    scores = score_puppet(judge_puppet(frames), facts)
    return scores | {"all": all(scores.values())}


OnClip = Callable[[Prompt, Frames, dict[str, bool]], None]
"""Is shown every prompt with its clip and scores."""


def evaluate_t2v(
    pipe: TextToVideoPipeline, count: int, sampling: Sampling, on_clip: OnClip = lambda *_: None
) -> Scores:
    """Judge `count` clips of single objects, and half as many of two objects, of camera moves and of puppets.

    Args:
        pipe: the model.
        count: clips of the world `scenes`.
        sampling: how the clips are made.
        on_clip: sees them.
    """
    tally = Tally()
    counts = prompt_counts(count)
    for world, number in counts.items():
        prompts = held_out_prompts(world, number)
        clips = generate(pipe, [prompt.text for prompt in prompts], sampling)
        for prompt, frames in zip(prompts, clips, strict=True):
            scores = judge(frames, prompt.facts)
            tally.add(world, scores)
            on_clip(prompt, frames, scores)
    size, frames = sampling.size or pipe.defaults.size, sampling.frames or pipe.defaults.frames
    settings = {"prompts": sum(counts.values()), **sampling.described(size, frames)}
    own = (size, frames) == (pipe.defaults.size, pipe.defaults.frames)
    return Scores("t2v" if own else f"t2v-{size}x{frames}", settings, tally.shares())
