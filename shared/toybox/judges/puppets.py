"""Judges puppets: colours, expression, action, mouth and keypoints, from pixels alone.

Thresholds stand midway between what rendered clips of neighbouring classes measure; `validate_puppets` says
how well each judge does on clips whose truth is known.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from shared.toybox.judges.puppet_face import (
    Face,
    Looks,
    Mouth,
    classify,
    find_face,
    find_hands,
    find_looks,
    find_mouth,
    to_stage,
)
from shared.toybox.judges.skeletons import joint_error
from shared.toybox.puppets.captions import PuppetFacts, describe_puppet
from shared.toybox.puppets.figure import PALM
from shared.toybox.puppets.keypoints import LEFT_EYE, LEFT_WRIST, MOUTH_MIDDLE, RIGHT_EYE, RIGHT_WRIST
from shared.toybox.puppets.puppet import PuppetClip, render_puppet, sample_puppet
from shared.toybox.puppets.tracks import Array

LEAST_SEEN = 0.3
"""Share of frames with two open eyes below which there is no puppet to judge."""
CLOSE = 2.5
"""Distance in pixels of a 64x64 picture within which a keypoint counts as found."""


@dataclass(frozen=True)
class PuppetJudgement:
    """What a clip shows.

    Attributes:
        hair: key of `puppets.HAIRS`.
        clothes: key of `palette.COLORS`.
        background: key of `palette.BACKGROUNDS`.
        skin: key of `puppets.SKINS`.
        expression: one of `puppets.EXPRESSIONS`, None when no face is seen.
        action: one of `puppets.ACTIONS`, None when no face is seen or of fewer than four frames.
        mouth_opening: (F,) 0 to 1.
        seen: share of frames in which both eyes are seen open.
        eyes: (F, 2, 2) left and right eye in pixels.
        mouth: (F, 2) middle of the mouth in pixels.
        face_box: (F, 4) head without hair, in pixels.
        wrists: (F, 2, 3) left and right wrist in pixels and confidence 0 or 1.
        eyes_closed: (F,) bool.
    """

    hair: str
    clothes: str
    background: str
    skin: str
    expression: str | None
    action: str | None
    mouth_opening: Array
    seen: float
    eyes: Array
    mouth: Array
    face_box: Array
    wrists: Array
    eyes_closed: NDArray[np.bool_]


def judge_puppet(frames: NDArray[np.uint8]) -> PuppetJudgement:
    """Judges a clip or picture of a puppet, (F, H, W, 3) uint8."""
    stage, scale, corner = to_stage(frames)
    looks = find_looks(stage)
    parts = classify(stage, looks)
    face = find_face(stage, parts, looks)
    mouth, face = find_mouth(stage, looks, face)
    wrists = find_hands(parts, face)
    wrists[..., 1] += PALM
    wrists[wrists[..., 2] == 0] = 0.0
    seen = float(face.seen.mean())
    there = seen >= LEAST_SEEN
    return PuppetJudgement(
        **named(looks),
        expression=name_expression(mouth) if there else None,
        action=name_action(face, wrists) if there and len(frames) >= 4 else None,
        mouth_opening=mouth.opening,
        seen=seen,
        eyes=face.eyes * scale + corner,
        mouth=mouth.middle * scale + corner,
        face_box=face.box * scale + np.tile(corner, 2),
        wrists=np.concatenate([(wrists[..., :2] * scale + corner) * wrists[..., 2:], wrists[..., 2:]], -1),
        eyes_closed=~face.seen,
    )


def named(looks: Looks) -> dict[str, str]:
    """The colour words of a puppet's looks."""
    return {
        "hair": looks.hair,
        "clothes": looks.clothes,
        "background": looks.background,
        "skin": looks.skin,
    }


def name_expression(mouth: Mouth) -> str:
    """The expression that a mouth track shows; one frame with an open, wide mouth counts as talking."""
    opening = float(mouth.opening.mean())
    if mouth.opening.std() > 0.12:
        return "talking"
    if opening > 0.38:
        return "surprised" if np.median(mouth.half_width) < 5.8 else "talking"
    bend = float(np.median(mouth.bend))
    if bend > 0.36:
        return "smiling"
    return "frowning" if bend < -0.6 else "neutral"


def name_action(face: Face, wrists: Array) -> str:
    """The action that face and hands show over several frames."""
    if wrists[..., 2].mean(0).max() > 0.5:
        return "waving"
    if face.roll.std() > 0.115:
        return "tilting the head"
    if face.head[:, 0].std() > 1.6:
        return "swaying"
    if (face.between - face.head)[:, 0].std() > 1.3:
        return "shaking the head"
    return "nodding" if face.between[:, 1].std() > 1.2 else "still"


def mouth_opening(frames: NDArray[np.uint8]) -> Array:
    """Opening of the mouth per frame (F,), 0 to 1, of a clip (F, H, W, 3) uint8."""
    return judge_puppet(frames).mouth_opening


def keypoint_error(frames: NDArray[np.uint8], keypoints: Array) -> dict[str, Array]:
    """How far a clip's keypoints are from where they should be.

    Args:
        frames: (F, H, W, 3) uint8.
        keypoints: (F, 133, 3) COCO-WholeBody keypoints in pixels that the clip should follow.

    Returns:
        Distances in pixels, (F, 2) of "eyes" and "wrists" (left, right) and (F,) of "mouth"; NaN where there
        is no such keypoint, infinity where it should be but was not found.
    """
    return error_of(judge_puppet(frames), keypoints)


def error_of(judged: PuppetJudgement, keypoints: Array) -> dict[str, Array]:
    """`keypoint_error` of a clip that is already judged."""
    eyes = keypoints[:, LEFT_EYE : RIGHT_EYE + 1]
    wrists = keypoints[:, LEFT_WRIST : RIGHT_WRIST + 1]
    error = {
        "eyes": np.hypot(*np.moveaxis(judged.eyes - eyes[..., :2], -1, 0)),
        "mouth": np.hypot(*(judged.mouth - keypoints[:, MOUTH_MIDDLE, :2].mean(1)).T),
        "wrists": np.hypot(*np.moveaxis(judged.wrists[..., :2] - wrists[..., :2], -1, 0)),
    }
    error["wrists"][judged.wrists[..., 2] == 0] = np.inf
    error["wrists"][wrists[..., 2] == 0] = np.nan
    return error


def score_puppet(judgement: PuppetJudgement, facts: PuppetFacts) -> dict[str, bool]:
    """Which of the facts that a caption states a clip shows; what is not stated is left out."""
    names = ("hair", "clothes", "background", "expression", "action")
    return {
        name: getattr(judgement, name) == getattr(facts, name)
        for name in names
        if getattr(facts, name) is not None
    }


def validate_puppets(
    count: int, seed: int, blur: float = 0.0, noise: float = 0.0, size: int = 64
) -> dict[str, float]:
    """How often each judge is right on rendered clips, 0 to 1.

    Args:
        count: number of clips, from both splits by turns.
        seed: which clips.
        blur: standard deviation of a Gaussian blur in pixels before judging.
        noise: standard deviation of noise added, of 255.
        size: width and height of the clips in pixels.

    Returns:
        Share of clips for colours, expression and action; share of frames within 0.15 for "mouth" and mean
        correlation over talking clips for "mouth correlation"; share of keypoints within `CLOSE` for "eyes",
        "mouth place", "head", "wrists" (those not to be seen must not be found) and "joints" of the drawing.
    """
    rng = np.random.default_rng(seed)
    scores: dict[str, list[float]] = {}
    for index in range(count):
        puppet = sample_puppet(rng, split=("train", "heldout")[index % 2])
        clip = render_puppet(puppet, size=size)
        judged = judge_puppet(spoil(clip.frames, blur, noise, rng))
        drawing = spoil(clip.skeleton, blur, noise, rng)
        measured = score_puppet(judged, describe_puppet(puppet)) | score_geometry(clip, judged, drawing)
        for name, value in measured.items():
            scores.setdefault(name, []).append(float(value))
    return {name: float(np.mean(values)) for name, values in scores.items()}


def score_geometry(clip: PuppetClip, judged: PuppetJudgement, drawing: NDArray[np.uint8]) -> dict[str, float]:
    """Mouth and keypoint scores of one clip as judged, and of its skeleton drawing (F, H, W, 3)."""
    error = error_of(judged, clip.keypoints)
    truth = clip.expression.mouth_open
    head = (judged.face_box - clip.face_box).reshape(-1, 2, 2).mean(1)
    close = CLOSE * min(drawing.shape[1:3]) / 64
    absent = np.isnan(error["wrists"])
    wrists = np.where(absent, judged.wrists[..., 2] == 0, error["wrists"] <= close)
    joints = joint_error(drawing, clip.keypoints)
    scores = {
        "mouth": np.mean(np.abs(judged.mouth_opening - truth) <= 0.15),
        "eyes": np.mean(error["eyes"] <= close),
        "mouth place": np.mean(error["mouth"] <= close),
        "head": np.mean(np.hypot(*head.T) <= close),
        "wrists": np.mean(wrists),
        "joints": np.mean(joints[~np.isnan(joints)] <= close),
    }
    if truth.std() > 0.1:
        scores["mouth correlation"] = np.corrcoef(judged.mouth_opening, truth)[0, 1]
    return {name: float(value) for name, value in scores.items()}


def spoil(
    frames: NDArray[np.uint8], blur: float, noise: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Frames after Gaussian blur (pixels) and noise (of 255), as a lossy codec might leave them."""
    if not blur and not noise:
        return frames
    soft = ndimage.gaussian_filter(frames.astype(np.float32), (0, blur, blur, 0))
    return np.clip(soft + rng.normal(0.0, noise, soft.shape) + 0.5, 0, 255).astype(np.uint8)
