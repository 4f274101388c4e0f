"""Clips of every kind the toybox knows, each made from one number."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shared.errors import InputError
from shared.toybox.puppets.captions import (
    PuppetFacts,
    caption_puppet,
    caption_skeleton,
    describe_puppet,
)
from shared.toybox.puppets.puppet import Puppet, render_puppet, sample_puppet
from shared.toybox.scenes.captions import SceneFacts, caption_scene, describe_scene
from shared.toybox.scenes.sampling import Split, sample_scene
from shared.toybox.scenes.scene import Scene, render_scene

Kind = Literal["plain", "pair", "camera", "material", "puppet", "skeleton"]

WORLDS: dict[str, dict[Kind, float]] = {
    "mix": {"plain": 0.35, "pair": 0.15, "camera": 0.10, "material": 0.15, "puppet": 0.15, "skeleton": 0.10},
    "scenes": {"plain": 1.0},
    "pairs": {"pair": 1.0},
    "cameras": {"camera": 1.0},
    "materials": {"material": 1.0},
    "puppets": {"puppet": 1.0},
    "skeletons": {"skeleton": 1.0},
}
"""How often each kind of clip comes up in a world; `mix` is what the VAE and the encoders see.

Adding a world changes the clips of the worlds that come after it in the alphabet."""

STRUCTURED = 0.3
"""Share of structured captions among those that are not plain."""


@dataclass(frozen=True)
class ToyClip:
    """A clip and what it shows.

    Attributes:
        frames: (F, H, W, 3) uint8.
        subject: the scene or puppet; a skeleton's is the puppet that it stands for.
        kind: which part of the mix it is.
        seed: the number that it was made from.
    """

    frames: NDArray[np.uint8]
    subject: Scene | Puppet
    kind: Kind
    seed: int

    @property
    def facts(self) -> SceneFacts | PuppetFacts:
        """What its captions say; of a skeleton only the action shows."""
        if isinstance(self.subject, Scene):
            return describe_scene(self.subject, still=len(self.frames) == 1)
        return describe_puppet(self.subject)

    @property
    def caption(self) -> str:
        """Its plain caption."""
        return caption_clip(self, 0)


def toy_clip(
    seed: int, world: str = "mix", split: Split = "train", frames: int = 17, size: int | tuple[int, int] = 64
) -> ToyClip:
    """The clip that belongs to (seed, world, split); what it shows does not depend on frames and size.

    Raises:
        InputError: a negative seed, or an unknown world or split.
    """
    if seed < 0 or world not in WORLDS or split not in ("train", "heldout"):
        raise InputError(
            f"no clip for seed {seed}, world {world!r}, split {split!r}: need a seed >= 0, one of "
            f"{', '.join(WORLDS)}, and train or heldout"
        )
    rng = np.random.default_rng([seed, sorted(WORLDS).index(world), split == "heldout"])
    kinds = WORLDS[world]
    kind = list(kinds)[int(rng.choice(len(kinds), p=list(kinds.values())))]
    if kind in ("puppet", "skeleton"):
        puppet = sample_puppet(rng, split=split)
        clip = render_puppet(puppet, frames, size)
        return ToyClip(clip.frames if kind == "puppet" else clip.skeleton, puppet, kind, seed)
    scene = sample_scene(
        rng,
        split=split,
        actors=2 if kind == "pair" else 1,
        camera=kind == "camera",
        material=kind == "material",
    )
    return ToyClip(render_scene(scene, frames, size), scene, kind, seed)


def caption_clip(clip: ToyClip, variant: int = 0) -> str:
    """One of a clip's captions: 0 is the plain one, every other number a free or structured wording.

    A clip of one frame is captioned as a picture.
    """
    rng = np.random.default_rng([clip.seed, variant])
    style = "plain" if variant == 0 else "structured" if rng.random() < STRUCTURED else "any"
    still = len(clip.frames) == 1
    if isinstance(clip.subject, Scene):
        return caption_scene(clip.subject, rng, style, still=still)
    if clip.kind == "skeleton":
        return caption_skeleton(clip.subject, rng, still=still)
    return caption_puppet(clip.subject, rng, style, still=still)
