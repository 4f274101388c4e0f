"""Judges a clip of a scene by its pixels alone, and scores the verdict against what was asked for."""

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from shared.errors import InputError
from shared.toybox.judges.motion import CameraPath, follow_camera, judge_camera, judge_motion
from shared.toybox.judges.outlines import judge_outline
from shared.toybox.judges.segmentation import Blob, Ground, find_blobs, find_ground
from shared.toybox.judges.surfaces import judge_color, judge_material, unmix
from shared.toybox.scenes.captions import ActorFacts, SceneFacts

ATTRIBUTES = ("color", "shape", "motion", "material")

LEAST_FIT = 0.85
"""Correlation with its template below which an object has none of the shapes (softened clips reach 0.97)."""


@dataclass(frozen=True)
class ActorJudgement:
    """What one object was seen to be; None stands for no known shape, for rest, and for a plain surface."""

    color: str
    shape: str | None
    motion: str | None
    material: str | None


@dataclass(frozen=True)
class SceneJudgement:
    """What a clip was seen to show, the largest object first."""

    background: str
    actors: tuple[ActorJudgement, ...]
    camera: str
    textured: bool


def judge_scene(frames: NDArray[np.uint8]) -> SceneJudgement:
    """Judge a clip (F, H, W, 3) uint8 of one or two objects; a single frame has no motion.

    Raises:
        InputError: frames of another shape or type.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise InputError(f"cannot judge {frames.dtype} frames {frames.shape}: need (F, H, W, 3) uint8")
    ground = find_ground(frames)
    blobs = find_blobs(frames, ground)
    scale = min(frames.shape[1:3]) / 64
    still = np.zeros(len(frames))
    # Over a plain background no camera can be seen to move.
    path = follow_camera(frames, blobs) if ground.textured else CameraPath(still, still, still + 1.0)
    actors = tuple(_judge_actor(frames, blob, ground, path, scale) for blob in blobs)
    return SceneJudgement(ground.name, actors, judge_camera(path, scale), ground.textured)


def _judge_actor(
    frames: NDArray[np.uint8], blob: Blob, ground: Ground, camera: CameraPath, scale: float
) -> ActorJudgement:
    color = judge_color(frames, blob, ground)
    outline = judge_outline(blob, unmix(frames, blob, color, ground))
    material = None if ground.textured else judge_material(frames, blob, outline, color, ground)
    shape = outline.shape if outline.fit >= LEAST_FIT else None
    return ActorJudgement(color, shape, judge_motion(blob, outline.shape, camera, scale), material)


def judge_tracks(frames: NDArray[np.uint8]) -> list[NDArray[np.float64]]:
    """Centroids (F, 2) of the objects, largest first, in pixels from the upper left corner (x, y)."""
    height, width = frames.shape[1:3]
    return [
        np.stack([blob.x + width / 2, blob.y + height / 2], axis=1)
        for blob in find_blobs(frames, find_ground(frames))
    ]


def psnr(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio in dB of two pictures or clips of the same shape; infinite if equal.

    Raises:
        InputError: the shapes differ.
    """
    if first.shape != second.shape:
        raise InputError(f"cannot compare {first.shape} with {second.shape}: need the same shape")
    error = float(np.mean((first.astype(np.float64) - second.astype(np.float64)) ** 2))
    return 10 * np.log10(255.0**2 / error) if error else np.inf


def score_scene(judgement: SceneJudgement, facts: SceneFacts) -> dict[str, bool]:
    """Which of the facts a clip was seen to show.

    Two objects are compared in the order that fits best, and an attribute holds if it holds for both. What
    the facts leave open (None) is not scored; `all` is everything that is scored.
    """
    scores = {"background": judgement.background == facts.background}
    if facts.camera is not None:
        scores["camera"] = judgement.camera == facts.camera
    asked = [name for name in ATTRIBUTES if any(getattr(actor, name) is not None for actor in facts.actors)]
    scores["count"] = len(judgement.actors) == len(facts.actors)
    if not scores["count"]:
        scores |= dict.fromkeys(asked, False)
    else:
        orders = (_compare(order, facts.actors, asked) for order in permutations(judgement.actors))
        scores |= max(orders, key=lambda score: sum(score.values()))
    return scores | {"all": all(scores.values())}


def _compare(
    seen: tuple[ActorJudgement, ...], wanted: tuple[ActorFacts, ...], asked: list[str]
) -> dict[str, bool]:
    pairs = list(zip(seen, wanted, strict=True))
    return {name: all(getattr(w, name) in (None, getattr(s, name)) for s, w in pairs) for name in asked}
