"""Puppets: head-and-shoulders cartoon figures that move, look and talk.

A `Puppet` says everything about a clip and renders it the same on every machine. Pose and expression come
from `Tracks`, which a caller may replace: a voice moves the mouth, a skeleton moves the arms.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shared.errors import InputError
from shared.toybox.puppets.drawing import Canvas, Painter, Paints
from shared.toybox.puppets.figure import Build, Figure
from shared.toybox.puppets.keypoints import face_boxes, wholebody
from shared.toybox.puppets.skeleton import draw_skeleton
from shared.toybox.puppets.tracks import (
    Array,
    ExpressionTrack,
    Manner,
    Tracks,
    make_expression,
    make_pose,
)
from shared.toybox.scenes.vocabulary import BACKGROUNDS, COLORS, MIN_DISTANCE, Rgb, distance

SKINS: dict[str, Rgb] = {
    "light": (250, 214, 184),
    "tan": (228, 172, 122),
    "brown": (178, 120, 80),
    "dark": (138, 90, 64),
}
HAIRS: dict[str, Rgb] = {
    "black": (26, 22, 28),
    "brown": (92, 54, 28),
    "red": (200, 72, 26),
    "blond": (242, 206, 88),
    "white": (240, 240, 244),
    "blue": (50, 90, 230),
}
HAIR_STYLES = ("short", "long", "curly", "bun")
EXPRESSIONS = ("smiling", "frowning", "surprised", "talking", "neutral")
ACTIONS = ("still", "nodding", "shaking the head", "waving", "tilting the head", "swaying")

Split = Literal["train", "heldout"]


@dataclass(frozen=True)
class Puppet:
    """One clip of one puppet: who it is, where it stands, what it does and shows.

    Attributes:
        skin: key of `SKINS`.
        hair: key of `HAIRS`.
        hair_style: one of `HAIR_STYLES`.
        clothes: key of `palette.COLORS`.
        background: key of `palette.BACKGROUNDS`.
        expression: one of `EXPRESSIONS`.
        action: one of `ACTIONS`.
        build: measures of the head and its place.
        manner: tempo, phase and strength of movements, gaze and blinks.
    """

    skin: str
    hair: str
    hair_style: str
    clothes: str
    background: str
    expression: str
    action: str
    build: Build
    manner: Manner

    @property
    def paints(self) -> Paints:
        """The puppet's colours as RGB."""
        return Paints(SKINS[self.skin], HAIRS[self.hair], COLORS[self.clothes], BACKGROUNDS[self.background])


@dataclass(frozen=True)
class PuppetClip:
    """A rendered puppet.

    Attributes:
        frames: (F, H, W, 3) uint8.
        keypoints: (F, 133, 3) COCO-WholeBody x, y in pixels (first pixel's centre 0.5), confidence 0 or 1.
        face_box: (F, 4) x0, y0, x1, y1 of the head without hair, in pixels.
        tracks: the pose and expression that were drawn.
        fps: frames per second.
    """

    frames: NDArray[np.uint8]
    keypoints: Array
    face_box: Array
    tracks: Tracks
    fps: float

    @cached_property
    def skeleton(self) -> NDArray[np.uint8]:
        """(F, H, W, 3) uint8 skeleton drawing of the keypoints on black, drawn at first use."""
        return draw_skeleton(self.keypoints, (self.frames.shape[2], self.frames.shape[1]))

    @property
    def expression(self) -> ExpressionTrack:
        """Mouth, brows, gaze and blink per frame."""
        return self.tracks.expression


def is_held_out(hair: str, clothes: str, expression: str) -> bool:
    """Whether training never sees this combination; about one in seven, each word stays frequent."""
    key = list(HAIRS).index(hair) + 2 * list(COLORS).index(clothes) + 3 * EXPRESSIONS.index(expression)
    return key % 7 == 0


def is_decidable(skin: str, hair: str, clothes: str, background: str) -> bool:
    """Whether all four areas differ by at least `palette.MIN_DISTANCE` in RGB."""
    areas = (SKINS[skin], HAIRS[hair], COLORS[clothes], BACKGROUNDS[background])
    return all(
        distance(first, second) >= MIN_DISTANCE for i, first in enumerate(areas) for second in areas[:i]
    )


def sample_puppet(rng: np.random.Generator, *, split: Split = "train") -> Puppet:
    """A random puppet.

    Args:
        rng: source of all choices.
        split: "train" leaves out the held-out combinations of hair, clothes and expression, "heldout" has
            only those.

    Raises:
        InputError: the split has another name.
    """
    if split not in ("train", "heldout"):
        raise InputError(f"Unknown split {split!r}: use 'train' or 'heldout'.")
    while True:
        words = [
            str(rng.choice(list(choices)))
            for choices in (SKINS, HAIRS, HAIR_STYLES, COLORS, BACKGROUNDS, EXPRESSIONS, ACTIONS)
        ]
        skin, hair, _, clothes, background, expression, action = words
        held_out = is_held_out(hair, clothes, expression)
        if held_out == (split == "heldout") and is_decidable(skin, hair, clothes, background):
            break
    manner = sample_manner(rng)
    # A raised arm needs room beside the head.
    aside = {"waving": (-3.5, 3.5)[manner.side], "swaying": 0.0}.get(action, rng.uniform(-2.5, 2.5))
    build = Build(
        half_width=float(rng.uniform(12.8, 14.6)),
        half_height=float(rng.uniform(15.2, 16.8)),
        jaw=float(rng.uniform(0.0, 0.16)),
        head=(32.0 + float(aside), 28.0 + float(rng.uniform(-1.0, 1.0))),
        shoulder=float(rng.uniform(11.5, 14.0)),
    )
    return Puppet(*words, build=build, manner=manner)


def sample_manner(rng: np.random.Generator) -> Manner:
    """Random tempo, phase, strength, side, gaze and blinks."""
    return Manner(
        tempo=float(rng.uniform(0.8, 1.3)),
        phase=float(rng.uniform(0.0, 1.0)),
        strength=float(rng.uniform(0.8, 1.0)),
        side=int(rng.integers(2)),
        syllables=float(rng.uniform(1.4, 2.0)),
        gaze=(float(rng.uniform(-0.8, 0.8)), float(rng.uniform(-0.5, 0.5))),
        blink_at=float(rng.uniform(0.0, 3.0)),
    )


def make_tracks(puppet: Puppet, frames: int, fps: float) -> Tracks:
    """The puppet's own movement, to be drawn as it is or with parts replaced.

    Args:
        puppet: who moves.
        frames: number of frames, at least 1.
        fps: frames per second.
    """
    times = (np.arange(frames) / fps).astype(np.float32)
    return Tracks(
        make_pose(puppet.action, puppet.manner, times),
        make_expression(puppet.expression, puppet.manner, times),
    )


def with_mouth(tracks: Tracks, mouth_open: Array) -> Tracks:
    """The same tracks with another opening of the mouth (F,), 0..1."""
    return replace(tracks, expression=replace(tracks.expression, mouth_open=mouth_open))


def render_puppet(
    puppet: Puppet,
    frames: int = 17,
    size: int | tuple[int, int] = 64,
    fps: float = 8.0,
    tracks: Tracks | None = None,
) -> PuppetClip:
    """Draws a clip.

    Args:
        puppet: what to draw.
        frames: number of frames, at least 1; ignored when tracks are given.
        size: pixels, a side or (width, height), each at least 16.
        fps: frames per second.
        tracks: pose and expression to draw instead of the puppet's own.

    Raises:
        InputError: a size, frame count or rate that cannot be drawn.
    """
    width, height = (size, size) if isinstance(size, int) else size
    if min(width, height) < 16:
        raise InputError(f"A puppet needs at least 16 pixels a side, got {width}x{height}.")
    if frames < 1 or not fps > 0:
        raise InputError(f"A clip needs at least one frame and a positive rate, got {frames} at {fps} fps.")
    tracks = make_tracks(puppet, frames, fps) if tracks is None else tracks
    figure = Figure(puppet.build, tracks.pose, tracks.expression)
    canvas = Canvas(len(tracks), (width, height), puppet.paints.background)
    return PuppetClip(
        frames=Painter(canvas, figure, puppet.paints, puppet.hair_style).draw(),
        keypoints=wholebody(figure, (width, height)),
        face_box=face_boxes(figure, (width, height)),
        tracks=tracks,
        fps=fps,
    )
