"""Clips of every kind the toybox knows, each made from one number."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shared.toybox.puppets import render_puppet, sample_puppet
from shared.toybox.sampling import sample_scene
from shared.toybox.scenes import render_scene

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
"""How often each kind of clip comes up in a world; `mix` is what the VAE and the encoders see."""


@dataclass(frozen=True)
class ToyClip:
    """A rendered clip (F, H, W, 3) uint8 and the scene or puppet that it shows."""

    frames: NDArray[np.uint8]
    subject: object
    kind: Kind


def toy_clip(seed: int, world: str = "mix", split: str = "train", frames: int = 17, size: int = 64) -> ToyClip:
    """The clip that belongs to (seed, world, split)."""
    rng = np.random.default_rng([seed, sorted(WORLDS).index(world), split == "heldout"])
    kinds = WORLDS[world]
    kind = list(kinds)[int(rng.choice(len(kinds), p=list(kinds.values())))]
    if kind in ("puppet", "skeleton"):
        puppet = sample_puppet(rng, split=split)
        clip = render_puppet(puppet, frames, size)
        return ToyClip(clip.frames if kind == "puppet" else clip.skeleton, puppet, kind)
    scene = sample_scene(
        rng, split=split, actors=2 if kind == "pair" else 1, camera=kind == "camera", material=kind == "material"
    )
    return ToyClip(render_scene(scene, frames, size), scene, kind)
