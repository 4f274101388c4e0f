"""COCO-WholeBody keypoints of a puppet: 17 body, 6 feet, 68 face, 21 + 21 hands.

The order is COCO-WholeBody's: left and right are the puppet's own. What a head-and-shoulders picture does not
show (hips, legs, feet, hidden hands) has confidence 0.
"""

import numpy as np

from shared.toybox.puppets.figure import SIDES, Figure
from shared.toybox.puppets.tracks import Array

COUNT = 133
NOSE, LEFT_EYE, RIGHT_EYE, LEFT_EAR, RIGHT_EAR = range(5)
LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_ELBOW, RIGHT_ELBOW, LEFT_WRIST, RIGHT_WRIST = range(5, 11)
FACE = slice(23, 91)
LEFT_HAND, RIGHT_HAND = slice(91, 112), slice(112, 133)
MOUTH_CORNERS = (23 + 48, 23 + 54)
"""Right and left corner of the mouth."""
MOUTH_MIDDLE = (23 + 62, 23 + 66)
"""Upper and lower middle of the opening."""


def face_points(figure: Figure) -> Array:
    """The 68 face points in stage units, (F, 68, 2): jaw, brows, nose, eyes, outer and inner lips."""
    build, count = figure.build, len(figure.center)
    angle = np.linspace(-1.45, 1.45, 17)
    y = build.half_height * np.cos(angle)
    x = build.half_width * np.sin(angle) / (1.0 + build.jaw * np.cos(angle))
    jaw = np.broadcast_to(np.stack([x, y], -1), (count, 17, 2))
    along = np.linspace(0.0, 1.0, 5)[None, :, None]
    brows = []
    for side, (start, end) in ((1, (1, 0)), (0, (0, 1))):
        first, last = figure.brows[:, side, start, None], figure.brows[:, side, end, None]
        brows.append(first + along * (last - first))
    bridge = np.stack([figure.on_face(0.0, y) for y in (-0.1, -0.01, 0.08, 0.17)], 1)
    base = np.stack([figure.on_face(x, 0.29) for x in (-0.12, -0.06, 0.0, 0.06, 0.12)], 1)
    eyes = []
    open_ = np.maximum(1.0 - figure.expression.blink, 0.1)[:, None]
    ring = np.radians([180, 240, 300, 0, 60, 120])
    for side in (1, 0):
        loop = np.stack([np.cos(ring) * 3.8 + 0 * open_, np.sin(ring) * 4.3 * open_], -1)
        eyes.append(figure.eyes[:, side, None] + loop)
    points = np.concatenate([jaw, *brows, bridge, base, *eyes, *lips(figure)], 1)
    return figure.to_stage(points.astype(np.float32))


def lips(figure: Figure) -> tuple[Array, Array]:
    """Outer (F, 12, 2) and inner (F, 8, 2) lip points in head coordinates, from the right corner on."""
    loops = []
    for upper, thickness in ((7, 0.95), (5, 0.0)):
        over = np.linspace(-1.0, 1.0, upper)
        across = np.concatenate([over, over[-2:0:-1]])
        sign = np.concatenate([-np.ones(upper), np.ones(upper - 2)])
        height = np.sqrt(1.0 - across**2) * (figure.mouth_half_height[:, None] - 0.95 + thickness)
        x = across * figure.mouth_half_width[:, None]
        y = figure.mouth_curve(across[None]) + sign * height
        loops.append(figure.mouth[:, None] + np.stack([x, y], -1))
    return loops[0], loops[1]


def hand_points(figure: Figure, side: int) -> Array:
    """The 21 points of one hand in stage units, (F, 21, 2): wrist, then thumb to little finger."""
    up = figure.forearms[:, side]
    out = np.stack([-up[:, 1], up[:, 0]], -1) * SIDES[side]
    angles = np.radians([-75.0, -32.0, -10.0, 12.0, 34.0])[:, None]
    radii = np.array([2.2, 4.0, 5.6, 7.0])[None]
    ahead = np.concatenate([[0.0], (np.cos(angles) * radii).ravel()])
    aside = np.concatenate([[0.0], (np.sin(angles) * radii).ravel()])
    return (
        figure.wrists[:, side, None] + ahead[:, None] * up[:, None] + aside[:, None] * out[:, None]
    ).astype(np.float32)


def body_points(figure: Figure) -> tuple[Array, Array]:
    """The 17 body points in stage units (F, 17, 2) and which of them the picture can show (17,)."""
    count = len(figure.center)
    points, shown = np.zeros((count, 17, 2), np.float32), np.zeros(17, np.float32)
    ears = np.stack([figure.center * 0, figure.center * 0], 1)
    ears[..., 0] = SIDES * figure.build.half_width - 1.4 * figure.pose.yaw[:, None]
    ears[..., 1] = 0.5 * figure.shift[:, 1:]
    points[:, NOSE] = figure.to_stage(figure.on_face(0.0, 0.2))
    points[:, LEFT_EYE : RIGHT_EYE + 1] = figure.to_stage(figure.eyes)
    points[:, LEFT_EAR : RIGHT_EAR + 1] = figure.to_stage(ears)
    points[:, LEFT_SHOULDER : RIGHT_SHOULDER + 1] = figure.shoulders
    points[:, LEFT_ELBOW : RIGHT_ELBOW + 1] = figure.elbows
    points[:, LEFT_WRIST : RIGHT_WRIST + 1] = figure.wrists
    shown[: RIGHT_WRIST + 1] = 1.0
    return points, shown


def wholebody(figure: Figure, size: tuple[int, int]) -> Array:
    """All keypoints in pixels.

    Args:
        figure: the clip's geometry.
        size: (width, height) of the picture in pixels.

    Returns:
        (F, 133, 3) x, y (pixel coordinates, the first pixel's centre at 0.5) and confidence, 1 where the
        point lies inside the picture and belongs to what it shows, else 0.
    """
    width, height = size
    keypoints = np.zeros((len(figure.center), COUNT, 3), np.float32)
    keypoints[:, :17, :2], keypoints[:, :17, 2] = body_points(figure)
    keypoints[:, FACE, :2], keypoints[:, FACE, 2] = face_points(figure), 1.0
    for side, hand in enumerate((LEFT_HAND, RIGHT_HAND)):
        keypoints[:, hand, :2] = hand_points(figure, side)
        keypoints[:, hand, 2] = figure.pose.raised[:, side, None] > 0.0
    scale = min(width, height) / 64.0
    keypoints[..., 0] = (keypoints[..., 0] - 32.0) * scale + width / 2
    keypoints[..., 1] = (keypoints[..., 1] - 64.0) * scale + height
    x, y = keypoints[..., 0], keypoints[..., 1]
    keypoints[..., 2] *= (x >= 0) & (x < width) & (y >= 0) & (y < height)
    keypoints[keypoints[..., 2] == 0.0] = 0.0
    return keypoints


def face_boxes(figure: Figure, size: tuple[int, int]) -> Array:
    """(F, 4) box x0, y0, x1, y1 of the head without its hair, in pixels, inside the picture."""
    width, height = size
    angle = np.linspace(0.0, 2.0 * np.pi, 32, endpoint=False)
    rim = np.stack([figure.build.half_width * np.sin(angle), figure.build.half_height * np.cos(angle)], -1)
    stage = figure.to_stage(np.broadcast_to(rim, (len(figure.center), *rim.shape)).astype(np.float32))
    scale = min(width, height) / 64.0
    pixels = (stage - np.array([32.0, 64.0])) * scale + np.array([width / 2, height])
    box = np.concatenate([pixels.min(1), pixels.max(1)], -1)
    return np.clip(box, 0.0, np.array([width, height, width, height])).astype(np.float32)
