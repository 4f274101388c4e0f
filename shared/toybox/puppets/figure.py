"""Where the parts of a puppet are: one geometry for the picture and for its keypoints.

Positions are in units of 1/64 of the frame's shorter side, x to the right and y down, the origin at the top
left of the centred 64x64 stage. Face parts are given in the head's own upright coordinates, whose origin is
the middle of the head; `to_stage` turns them into stage positions.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from shared.toybox.puppets.tracks import Array, ExpressionTrack, PoseTrack

UPPER_ARM = np.array([4.6, 9.5], np.float32)
"""Shoulder to elbow of a hanging arm (outwards, down)."""
RAISED_UPPER_ARM = np.array([8.6, 5.0], np.float32)
FOREARM = 17.5
PALM = 3.6
SIDES = np.array([1.0, -1.0], np.float32)
"""Left, right of the puppet in the picture's x direction."""


@dataclass(frozen=True)
class Build:
    """A puppet's measures in units: head's half width and half height, narrowing of the jaw, and place."""

    half_width: float
    half_height: float
    jaw: float
    head: tuple[float, float]
    shoulder: float


@dataclass(frozen=True)
class Figure:
    """All part positions of one clip, computed from build and tracks on demand."""

    build: Build
    pose: PoseTrack
    expression: ExpressionTrack

    @cached_property
    def center(self) -> Array:
        """(F, 2) middle of the head; a tilt turns it about the chin."""
        roll, reach = self.pose.roll, self.build.half_height
        turn = np.stack([np.sin(roll) * reach, (1.0 - np.cos(roll)) * reach], -1)
        return (np.array(self.build.head, np.float32) + self.pose.head + turn).astype(np.float32)

    @cached_property
    def shift(self) -> Array:
        """(F, 2) displacement of the face on the head that makes a turn or a nod."""
        return np.stack([4.4 * self.pose.yaw, 3.0 * self.pose.pitch], -1).astype(np.float32)

    def to_stage(self, local: Array) -> Array:
        """Head coordinates (F, ..., 2) to stage positions (F, ..., 2)."""
        shape = (-1,) + (1,) * (local.ndim - 2)
        cos, sin = np.cos(self.pose.roll).reshape(shape), np.sin(self.pose.roll).reshape(shape)
        x, y = local[..., 0], local[..., 1]
        turned = np.stack([cos * x - sin * y, sin * x + cos * y], -1)
        return turned + self.center.reshape(shape[:1] + shape[1:] + (2,))

    def on_face(self, x: float, y: float) -> Array:
        """(F, 2) head coordinates of a place on the face, (x, y) in halves of the head, moved by `shift`."""
        return np.array([x * self.build.half_width, y * self.build.half_height], np.float32) + self.shift

    @cached_property
    def eyes(self) -> Array:
        """(F, 2, 2) head coordinates of the left and right eye."""
        return np.stack([self.on_face(0.46, -0.06), self.on_face(-0.46, -0.06)], 1)

    @cached_property
    def pupils(self) -> Array:
        """(F, 2, 2) head coordinates of the pupils."""
        return self.eyes + (self.expression.gaze * np.array([1.5, 1.0], np.float32))[:, None]

    @cached_property
    def brows(self) -> Array:
        """(F, 2, 2, 2) head coordinates of each brow's inner and outer end."""
        lift = 2.6 * self.expression.brow_raise
        slant = 1.5 * self.expression.brow_slant
        ends = []
        for side in SIDES:
            base = self.on_face(0.46 * side, -0.44) - np.stack([0 * lift, lift], -1)
            inner = base + np.stack([np.full_like(lift, -3.3 * side), -slant], -1)
            outer = base + np.stack([np.full_like(lift, 3.3 * side), 0.6 * slant], -1)
            ends.append(np.stack([inner, outer], 1))
        return np.stack(ends, 1).astype(np.float32)

    @cached_property
    def mouth(self) -> Array:
        """(F, 2) head coordinates of the middle of the mouth; it opens downwards more than upwards."""
        drop = 1.3 * self.expression.mouth_open
        return self.on_face(0.0, 0.5) + np.stack([0 * drop, drop], -1)

    @cached_property
    def mouth_half_width(self) -> Array:
        """(F,) half the distance between the corners of the mouth."""
        return 3.9 + 2.8 * self.expression.mouth_width

    @cached_property
    def mouth_half_height(self) -> Array:
        """(F,) half the height of the dark opening in its middle, the closed mouth's line included."""
        return 0.95 + 3.9 * self.expression.mouth_open

    def mouth_curve(self, across: Array) -> Array:
        """Height of the mouth's middle line, (F, N), at places (N,) or (F, N) from -1 to 1 across it."""
        return 2.6 * self.expression.smile[:, None] * (0.45 - across * across)

    @cached_property
    def shoulders(self) -> Array:
        """(F, 2, 2) stage positions of the left and right shoulder."""
        middle = np.array([self.build.head[0], 52.5], np.float32) + self.pose.body
        return middle[:, None] + np.stack([SIDES * self.build.shoulder, 0 * SIDES], -1)

    @cached_property
    def elbows(self) -> Array:
        """(F, 2, 2) stage positions of the elbows."""
        raised = self.pose.raised[..., None]
        arm = (1.0 - raised) * UPPER_ARM + raised * RAISED_UPPER_ARM
        return self.shoulders + arm * np.stack([SIDES, np.ones_like(SIDES)], -1)

    @cached_property
    def forearms(self) -> Array:
        """(F, 2, 2) unit vectors from elbow to wrist: down when hanging, up when raised."""
        # The way up leads outwards, as an arm moves.
        angle = np.pi * (1.0 - self.pose.raised) + self.pose.raised * self.pose.swing
        return np.stack([SIDES * np.sin(angle), -np.cos(angle)], -1).astype(np.float32)

    @cached_property
    def wrists(self) -> Array:
        """(F, 2, 2) stage positions of the wrists."""
        return self.elbows + FOREARM * self.forearms

    @cached_property
    def hands(self) -> Array:
        """(F, 2, 2) stage positions of the middle of the hands."""
        return self.wrists + PALM * self.forearms
