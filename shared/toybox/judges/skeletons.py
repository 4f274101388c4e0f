"""Reads joints back from skeleton drawings by their colours."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from shared.toybox.judges.puppet_face import square_distances, to_stage
from shared.toybox.puppets.skeleton import JOINT_COLORS, LIMB_DIM, openpose_joints
from shared.toybox.puppets.tracks import Array

DIM = 255.0 * LIMB_DIM + 12.0
"""Brightness of the limbs, up to which a pixel is not part of a joint."""
REACH = 60.0
"""RGB distance, at full brightness, at which a pixel counts half for a joint's colour."""
ENOUGH = 1.3
"""Least sum of closeness, over the 3x3 pixels around its middle, at which a joint is there."""


def find_joints(frames: NDArray[np.uint8]) -> Array:
    """Joints of skeleton drawings.

    Args:
        frames: (F, H, W, 3) drawings on black.

    Returns:
        (F, 18, 3) OpenPose joints: x, y in pixels and confidence 0 or 1.
    """
    stage, scale, corner = to_stage(frames)
    bright = stage.max(-1)
    lit = np.nonzero(bright > DIM)
    # Blur darkens a joint but keeps its hue; a pixel speaks for the one joint whose hue is nearest.
    distance = square_distances(stage[lit] * (255.0 / bright[lit])[:, None], JOINT_COLORS)
    own = distance.argmin(0)
    near = np.clip(1.5 - np.sqrt(np.maximum(distance.min(0), 0.0)) / REACH, 0.0, 1.0)
    close = np.zeros((len(JOINT_COLORS), *stage.shape[:-1]), np.float32)
    close[own, *lit] = near * np.clip((bright[lit] - DIM) / (225.0 - DIM), 0.0, 1.0)
    gathered = ndimage.uniform_filter(close, (1, 1, 3, 3)) * 9.0
    joints, count, height, width = gathered.shape
    peak = gathered.reshape(joints, count, -1).argmax(-1)
    rows, cols = np.divmod(peak, width)
    found = np.zeros((count, joints, 3), np.float32)
    found[..., 2] = gathered.reshape(joints, count, -1).max(-1).T >= ENOUGH
    steps = np.arange(-2, 3)
    y = np.clip(rows[..., None, None] + steps[:, None], 0, height - 1)
    x = np.clip(cols[..., None, None] + steps, 0, width - 1)
    index = np.ogrid[:joints, :count]
    weight = close[index[0][..., None, None], index[1][..., None, None], y, x]
    total = np.maximum(weight.sum((-2, -1)), 1e-6)
    found[..., 0] = ((weight * (x + 0.5)).sum((-2, -1)) / total).T * scale + corner[0]
    found[..., 1] = ((weight * (y + 0.5)).sum((-2, -1)) / total).T * scale + corner[1]
    found[..., :2] *= found[..., 2:]
    return found


def joint_error(frames: NDArray[np.uint8], keypoints: Array) -> Array:
    """How far the joints of a drawing are from where they should be.

    Args:
        frames: (F, H, W, 3) skeleton drawings.
        keypoints: (F, 133, 3) COCO-WholeBody keypoints in pixels that the drawing should show.

    Returns:
        (F, 18) distance in pixels; NaN where there is no joint, infinity where it was not found.
    """
    truth, found = openpose_joints(keypoints), find_joints(frames)
    error = np.hypot(*np.moveaxis(found[..., :2] - truth[..., :2], -1, 0))
    error[found[..., 2] == 0] = np.inf
    error[truth[..., 2] == 0] = np.nan
    return error
