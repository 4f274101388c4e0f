"""How much head and face move, as one number each (arXiv 2412.03603, section "Audio-Driven")."""

import numpy as np
from numpy.typing import NDArray

NOSE_TIP = 53
"""Of the 133 COCO-WholeBody keypoints."""
FACE = slice(23, 91)
"""The 68 points of the face."""

TYPICAL_HEAD, TYPICAL_FACE = 0.02, 0.004
"""Variances in squared widths of the face, that stand for a strength of 1."""


def motion_strength(keypoints: NDArray[np.floating]) -> tuple[float, float]:
    """Strength of the head's motion and of the expression in a clip.

    The head's is the variance of the nose tip, the expression's that of the face's points about their own mean, both
    in widths of the face and relative to a typical clip's.

    Args:
        keypoints: (F, 133, 3) COCO-WholeBody x, y in pixels and confidence.

    Returns:
        Two numbers from 0; 0 and 0 where no face is seen in two frames.
    """
    face = keypoints[:, FACE]
    seen = (face[..., 2] > 0).all(axis=1)
    if seen.sum() < 2:
        return 0.0, 0.0
    points = face[seen, :, :2]
    width = max(float(np.median(np.ptp(points[..., 0], axis=1))), 1e-6)
    nose = keypoints[seen, NOSE_TIP, :2]
    head = float(np.var(nose / width, axis=0).sum())
    own = (points - points.mean(axis=1, keepdims=True)) / width
    expression = float(np.var(own, axis=0).sum(axis=-1).mean())
    return head / TYPICAL_HEAD, expression / TYPICAL_FACE
