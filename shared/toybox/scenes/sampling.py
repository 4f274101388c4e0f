"""Draws scenes at random: everything in them can be seen, and held-out combinations stay held out."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, TypeVar

import numpy as np

from shared.errors import InputError
from shared.toybox.scenes.scene import Actor, Scene, actor_track, camera_track, clip_times, seen_track
from shared.toybox.scenes.shapes import DARK, REACH
from shared.toybox.scenes.vocabulary import (
    BACKGROUNDS,
    CAMERAS,
    COLORS,
    HELD_OUT,
    MATERIALS,
    MOTIONS,
    SHAPES,
    TEXTURES,
    distance,
    is_decidable,
)

Split = Literal["train", "heldout"]
Choice = TypeVar("Choice")

_PIXEL = 1 / 32
"""Ranges are written in pixels of a 64-pixel picture."""

_HORIZONTAL, _VERTICAL = frozenset({"left", "right"}), frozenset({"up", "down", "bounce"})
_LINEAR = frozenset({"left", "right", "up", "down"})

_EVERY = tuple((c, s, m) for c in COLORS for s in SHAPES for m in MOTIONS if is_decidable(s, m))
_TRIPLES = {
    "train": tuple(t for t in _EVERY if t not in HELD_OUT),
    "heldout": tuple(t for t in _EVERY if t in HELD_OUT),
    "any": _EVERY,
}

_RADII = {
    "alone": {
        "linear": (9, 13),
        "bounce": (9, 12),
        "spin": (11, 14),
        "scale": (9.2, 10.8),
        "orbit": (8.5, 11),
    },
    "material": {
        "linear": (11, 14),
        "bounce": (11, 13),
        "spin": (12, 15),
        "scale": (10.5, 12),
        "orbit": (11, 13),
    },
    "pair": {
        "linear": (7.5, 10),
        "bounce": (7.5, 9),
        "spin": (9, 11),
        "scale": (7.6, 8.8),
        "orbit": (7, 8.5),
    },
    "camera": {
        "linear": (7.5, 10),
        "bounce": (7.5, 9.5),
        "spin": (9, 11),
        "scale": (7.6, 9),
        "orbit": (7.5, 9),
    },
}
_TRAVELS = {
    "alone": {"linear": (20, 34), "bounce": (16, 24), "orbit": (12, 17)},
    "material": {"linear": (18, 30), "bounce": (16, 22), "orbit": (11, 15)},
    "pair": {"linear": (16, 34), "bounce": (15, 22), "orbit": (7.5, 10)},
    "camera": {"linear": (18, 28), "bounce": (15, 20), "orbit": (10, 13)},
}
_PERIODS = {"bounce": (1.0, 1.4), "spin": (3.0, 4.6), "orbit": (1.8, 2.3)}
_RATIO = (1.9, 2.4)
_PAN, _ZOOM = (12, 18), (1.35, 1.55)
_MARGIN = 1.5
"""Pixels that stay free at the picture's edge (the tip of a star is drawn softly, beyond its outline)."""

_GAP = 2.5
"""Pixels that stay free between two objects."""


def pick(rng: np.random.Generator, choices: Sequence[Choice]) -> Choice:
    """One of the choices, evenly."""
    return choices[int(rng.integers(len(choices)))]


def sample_scene(
    rng: np.random.Generator,
    *,
    split: Split = "train",
    actors: int | None = None,
    camera: bool = False,
    material: bool = False,
    motion: str | None = None,
) -> Scene:
    """Draw a scene.

    Args:
        rng: where the randomness comes from; the same state gives the same scene.
        split: `train` never draws a held-out (colour, shape, motion); `heldout` always leads with one.
        actors: 1 or 2 objects; None draws (two in three have one; with a material always one).
        camera: over a textured background, under any camera (static included).
        material: gives the object a material; for one object over a plain background.
        motion: of the leading object; None draws.

    Raises:
        InputError: an unknown split or motion, a number of actors other than 1 or 2, a material with two or a
            camera.
    """
    if split not in ("train", "heldout") or actors not in (None, 1, 2):
        raise InputError(f"split={split!r}, actors={actors!r}: need train or heldout, and 1, 2 or None")
    if material and (camera or actors == 2):
        raise InputError("material=True goes with one object over a plain background")
    if motion not in (None, *MOTIONS):
        raise InputError(f"motion={motion!r}: need one of {', '.join(MOTIONS)}")
    if actors is None:
        actors = 1 if material or rng.random() < 2 / 3 else 2
    while True:
        scene = _draw(rng, split, actors, camera, material, motion)
        for _ in range(30):
            placed = replace(scene, actors=_place(rng, scene, _setting(actors, camera, material)))
            if fits(placed):
                return placed


def _setting(actors: int, camera: bool, material: bool) -> str:
    return (
        "material" if material else "camera" if camera and actors == 1 else "pair" if actors == 2 else "alone"
    )


def _draw(
    rng: np.random.Generator, split: Split, actors: int, camera: bool, material: bool, motion: str | None
) -> Scene:
    """The words of a scene; its objects are not placed yet."""
    words = [pick(rng, [triple for triple in _TRIPLES[split] if motion in (None, triple[2])])]
    while len(words) < actors:
        other = pick(rng, _TRIPLES["train" if split == "train" else "any"])
        if other[0] != words[0][0] and _axes_agree(words[0][2], other[2]):
            words.append(other)
    cast = tuple(
        Actor(*triple, size=1.0, material=pick(rng, MATERIALS) if material else None) for triple in words
    )
    background = pick(rng, tuple(BACKGROUNDS))
    if material and not _shows(cast[0].color, background):
        return _draw(rng, split, actors, camera, material, motion)
    if not camera:
        return Scene(cast, background)
    kind = pick(rng, CAMERAS)
    reach = rng.uniform(*_ZOOM) if kind.startswith("zoom") else rng.uniform(*_PAN) * _PIXEL
    return Scene(cast, background, pick(rng, TEXTURES), int(rng.integers(1 << 16)), kind, float(reach))


def _shows(color: str, background: str) -> bool:
    """Whether the dark parts of this colour's materials stand out (not those of white on gray)."""
    red, green, blue = (round(DARK * channel) for channel in COLORS[color])
    return distance((red, green, blue), BACKGROUNDS[background]) >= 40


def _axes_agree(first: str, second: str) -> bool:
    """Two objects lie side by side or one above the other: their motions must leave one of the two free."""
    both = {first, second}
    return not (both & _HORIZONTAL and both & _VERTICAL)


def _place(rng: np.random.Generator, scene: Scene, setting: str) -> tuple[Actor, ...]:
    """Sizes, speeds and places, not yet checked to fit."""
    motions = {actor.motion for actor in scene.actors}
    stacked = bool(motions & _HORIZONTAL) or (not motions & _VERTICAL and rng.random() < 0.5)
    swap = rng.random() < 0.5
    placed = []
    for index, actor in enumerate(scene.actors):
        kind = (
            "linear"
            if actor.motion in _LINEAR
            else "scale"
            if actor.motion in ("grow", "shrink")
            else actor.motion
        )
        x, y = rng.uniform(-12, 12, 2) * _PIXEL
        if len(scene.actors) == 2:
            side = (1 if (index == 1) != swap else -1) * rng.uniform(14, 17) * _PIXEL
            x, y = (x, side) if stacked else (side, y)
        if actor.motion == "orbit" and len(scene.actors) == 1:
            x, y = x / 3, y / 3
        travel = (
            rng.uniform(*_RATIO)
            if kind == "scale"
            else rng.uniform(*_TRAVELS[setting].get(kind, (0, 0))) * _PIXEL
        )
        placed.append(
            replace(
                actor,
                size=float(rng.uniform(*_RADII[setting][kind]) * _PIXEL),
                x=float(x),
                y=float(y),
                travel=float(travel),
                period=float(rng.uniform(*_PERIODS.get(kind, (1, 1)))),
                phase=float(rng.random()),
                turn=1 if rng.random() < 0.5 else -1,
                grain=float(rng.uniform(0, 2 * np.pi)),
            )
        )
    return tuple(placed)


def fits(scene: Scene) -> bool:
    """Whether every object stays in the picture, and two stay apart, for the two seconds of a clip."""
    progress, seconds = clip_times(33, 16.0)
    camera = camera_track(scene, progress)
    tracks = [seen_track(actor_track(actor, progress, seconds), camera) for actor in scene.actors]
    reaches = [track.size * REACH[actor.shape] for actor, track in zip(scene.actors, tracks, strict=True)]
    limit = 1.0 - _MARGIN * _PIXEL
    for track, reach in zip(tracks, reaches, strict=True):
        if max(np.max(np.abs(track.x) + reach), np.max(np.abs(track.y) + reach)) > limit:
            return False
    if len(tracks) == 1:
        return True
    distance = np.hypot(tracks[0].x - tracks[1].x, tracks[0].y - tracks[1].y)
    return bool(np.min(distance - reaches[0] - reaches[1]) >= _GAP * _PIXEL)
