"""How a puppet moves: pose and expression as functions of time.

Lengths are in units of 1/64 of the frame's shorter side (so they are pixels at 64x64), x to the right and y
down; angles are in radians; time is frame / fps, so a track is the same movement at any rate and length.
Pairs are ordered left, right as the puppet has them: its left hand is on the right of the picture.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

SWING = 2.0 * np.pi


@dataclass(frozen=True)
class PoseTrack:
    """Where head and arms are in every frame.

    Attributes:
        head: (F, 2) offset of the head from the puppet's own head position, in units.
        roll: (F,) tilt of the head about the neck, radians, positive towards the right of the picture.
        yaw: (F,) turn of the head, -1 (to the left of the picture) to 1.
        pitch: (F,) nod, -1 (up) to 1 (down).
        body: (F, 2) offset of the shoulders, in units.
        raised: (F, 2) how far each arm (left, right) is raised, 0 (hangs down) to 1 (hand beside the head).
        swing: (F, 2) angle of each forearm from the vertical when raised, radians, positive outwards.
    """

    head: Array
    roll: Array
    yaw: Array
    pitch: Array
    body: Array
    raised: Array
    swing: Array


@dataclass(frozen=True)
class ExpressionTrack:
    """What the face does in every frame, each (F,) unless said otherwise.

    Attributes:
        mouth_open: opening of the mouth, 0 (closed) to 1 (as far as it goes).
        mouth_width: 0 (narrow and round) to 1 (wide).
        smile: -1 (corners down) to 1 (corners up).
        brow_raise: -0.5 (low) to 1 (raised).
        brow_slant: -1 (inner ends low, stern) to 1 (inner ends high).
        gaze: (F, 2) direction of the eyes, each -1 to 1, x to the right and y down.
        blink: 0 (open) to 1 (closed).
    """

    mouth_open: Array
    mouth_width: Array
    smile: Array
    brow_raise: Array
    brow_slant: Array
    gaze: Array
    blink: Array


@dataclass(frozen=True)
class Tracks:
    """Pose and expression of one clip; use `dataclasses.replace` to override parts of them."""

    pose: PoseTrack
    expression: ExpressionTrack

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.expression.mouth_open)


@dataclass(frozen=True)
class Manner:
    """How one puppet does what it does.

    Attributes:
        tempo: movements per second, 0.8 to 1.3.
        phase: start of the movement, 0 to 1 of a period.
        strength: size of the movement, 0.8 to 1.
        side: which arm waves: 0 (left) or 1 (right).
        syllables: openings of the mouth per second when talking, 1.4 to 2.
        gaze: where the eyes look, each -1 to 1.
        blink_at: time of the first blink in seconds; blinks repeat every three seconds.
    """

    tempo: float
    phase: float
    strength: float
    side: int
    syllables: float
    gaze: tuple[float, float]
    blink_at: float


def make_pose(action: str, manner: Manner, times: Array) -> PoseTrack:
    """Pose over time for one of `puppets.ACTIONS`.

    Args:
        action: what the puppet does with head and arms.
        manner: tempo, phase, strength and side.
        times: (F,) seconds.
    """
    count = len(times)
    wave = np.sin(SWING * (manner.tempo * times + manner.phase)) * manner.strength
    zero = np.zeros(count, np.float32)
    head, body = np.zeros((2, count, 2), np.float32)
    raised, swing = np.zeros((2, count, 2), np.float32)
    roll, yaw, pitch = zero, zero, zero
    if action == "nodding":
        pitch = wave
        head[:, 1] = 1.8 * wave
    elif action == "shaking the head":
        yaw = wave
    elif action == "tilting the head":
        roll = 0.3 * wave
    elif action == "swaying":
        head[:, 0] = 5.0 * wave
        body[:, 0] = 3.5 * wave
        roll = 0.1 * wave
    elif action == "waving":
        raised[:, manner.side] = 1.0
        swing[:, manner.side] = 0.16 + 0.26 * np.sin(SWING * (1.4 * manner.tempo * times + manner.phase))
    return PoseTrack(head, *(track.astype(np.float32) for track in (roll, yaw, pitch)), body, raised, swing)


def talking_mouth(manner: Manner, times: Array) -> Array:
    """(F,) opening of a mouth that talks: syllables of varying size, closed in between."""
    beat = 0.5 - 0.5 * np.cos(SWING * (manner.syllables * times + manner.phase))
    size = 0.82 + 0.18 * np.sin(SWING * (0.43 * manner.syllables * times + 2.0 * manner.phase))
    return (size * beat**0.8).astype(np.float32)


def make_expression(expression: str, manner: Manner, times: Array) -> ExpressionTrack:
    """Expression over time for one of `puppets.EXPRESSIONS`.

    Args:
        expression: what the face shows.
        manner: syllables, gaze and blinks.
        times: (F,) seconds.
    """
    # opening, width, smile, brow raise, brow slant
    shape = {
        "smiling": (0.22, 1.0, 1.0, 0.25, 0.0),
        "frowning": (0.0, 0.85, -1.0, -0.3, -1.0),
        "surprised": (0.95, 0.0, 0.0, 1.0, 0.15),
        "talking": (0.0, 0.6, 0.0, 0.1, 0.0),
        "neutral": (0.0, 0.6, 0.0, 0.0, 0.0),
    }[expression]
    still = np.ones(len(times), np.float32)
    opening, width, smile, brow_raise, brow_slant = (value * still for value in shape)
    if expression == "talking":
        opening = talking_mouth(manner, times)
    drift = 0.15 * np.sin(SWING * (0.3 * times + manner.phase))
    gaze = np.stack([manner.gaze[0] + drift, manner.gaze[1] + 0 * drift], -1)
    since = np.abs((times - manner.blink_at + 1.5) % 3.0 - 1.5)
    blink = np.clip(1.6 - since / 0.11, 0.0, 1.0)
    return ExpressionTrack(
        opening, width, smile, brow_raise, brow_slant, gaze.astype(np.float32), blink.astype(np.float32)
    )
