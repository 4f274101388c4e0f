"""Skeleton drawings in the manner of OpenPose and DWPose: coloured limbs and joints, white face points.

Joint i of OpenPose's 18 has hue i / 18 at full brightness, limb i the same hue at 0.6; face points are white,
hand points blue. Line widths follow the picture's size, so that a 64x64 drawing survives the VAE.
"""

import colorsys

import numpy as np
from numpy.typing import NDArray

from shared.toybox.puppets.tracks import Array

JOINTS = (0, -1, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
"""OpenPose's joints as COCO indices: nose, neck (-1: between the shoulders), right arm, left arm, right leg,
left leg, right eye, left eye, right ear, left ear."""

LIMBS = (
    *((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13)),
    *((1, 0), (0, 14), (14, 16), (0, 15), (15, 17)),
)
"""Pairs of OpenPose joints."""

JOINT_COLORS = np.array([colorsys.hsv_to_rgb(i / 18, 1.0, 1.0) for i in range(18)], np.float32) * 255.0
"""(18, 3) RGB 0..255, the hue circle in steps of 20 degrees."""

LIMB_DIM = 0.6
HAND_COLOR = np.array([0.0, 0.0, 255.0], np.float32)
FACE_COLOR = np.array([255.0, 255.0, 255.0], np.float32)
LIMB_RADIUS = 0.95
JOINT_RADIUS = 1.75
FACE_RADIUS = 0.45
HAND_RADIUS = 0.5


def openpose_joints(keypoints: Array) -> Array:
    """The 18 OpenPose joints (F, 18, 3) of COCO-WholeBody keypoints (F, 133, 3); the neck is mid-shoulder."""
    joints = keypoints[:, [max(index, 0) for index in JOINTS]].copy()
    left, right = keypoints[:, 5], keypoints[:, 6]
    joints[:, 1, :2] = (left[:, :2] + right[:, :2]) / 2
    joints[:, 1, 2] = np.minimum(left[:, 2], right[:, 2])
    return joints


def dots(shape: tuple[int, int, int], points: Array, radius: float) -> Array:
    """Coverage (F, H, W) of round dots at points (F, N, 3); points of confidence 0 are left out."""
    count, height, width = shape
    reach = int(np.ceil(radius + 0.5))
    steps = np.arange(-reach, reach + 1)
    base = np.floor(points[..., :2]).astype(np.int32)
    x = base[..., 0, None] + steps
    y = base[..., 1, None] + steps
    dx, dy = x + 0.5 - points[..., 0, None], y + 0.5 - points[..., 1, None]
    distance = np.sqrt(dx[..., None, :] ** 2 + dy[..., :, None] ** 2)
    coverage = np.clip(radius + 0.5 - distance, 0.0, 1.0) * points[..., 2, None, None]
    inside = ((x >= 0) & (x < width))[..., None, :] & ((y >= 0) & (y < height))[..., :, None]
    frame = np.arange(count)[:, None, None, None]
    flat = (frame * height + y[..., :, None]) * width + x[..., None, :]
    layer = np.zeros(count * height * width, np.float32)
    kept = inside & (coverage > 0)
    np.maximum.at(layer, flat[kept], coverage[kept].astype(np.float32))
    return layer.reshape(shape)


def segment(
    shape: tuple[int, int, int], start: Array, end: Array, radius: float
) -> tuple[Array, slice, slice]:
    """Coverage of a line between points (F, 3) in the block (rows, cols) of pixels that it can reach."""
    _, height, width = shape
    ends = np.concatenate([start[:, :2], end[:, :2]])[np.concatenate([start[:, 2], end[:, 2]]) > 0]
    low = np.floor(ends.min(0) - radius - 1.0).astype(int).clip(0, (width, height))
    high = np.ceil(ends.max(0) + radius + 1.0).astype(int).clip(0, (width, height))
    cols, rows = slice(low[0], high[0]), slice(low[1], high[1])
    x = np.arange(low[0], high[0], dtype=np.float32)[None, None] + 0.5 - start[:, 0, None, None]
    y = np.arange(low[1], high[1], dtype=np.float32)[None, :, None] + 0.5 - start[:, 1, None, None]
    bx, by = (end[:, i, None, None] - start[:, i, None, None] for i in (0, 1))
    along = np.clip((x * bx + y * by) / np.maximum(bx * bx + by * by, 1e-6), 0.0, 1.0)
    distance = np.sqrt((x - along * bx) ** 2 + (y - along * by) ** 2)
    coverage = np.clip(np.float32(radius + 0.5) - distance, 0.0, 1.0)
    return coverage * (start[:, 2] * end[:, 2])[:, None, None], rows, cols


def draw_skeleton(keypoints: Array, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Draws keypoints on black.

    Args:
        keypoints: (F, 133, 3) COCO-WholeBody x, y in pixels and confidence; below 0.3 a point is left out.
        size: (width, height) in pixels.

    Returns:
        (F, H, W, 3) uint8.
    """
    width, height = size
    scale = min(width, height) / 64.0
    keypoints = keypoints.astype(np.float32)
    keypoints[..., 2] = keypoints[..., 2] >= 0.3
    shape = (len(keypoints), height, width)
    planes = np.zeros((3, *shape), np.float32)
    joints = openpose_joints(keypoints)
    for limb, (first, second) in enumerate(LIMBS):
        start, end = joints[:, first], joints[:, second]
        if not (start[:, 2] * end[:, 2]).any():
            continue
        coverage, rows, cols = segment(shape, start, end, LIMB_RADIUS * scale)
        blend(planes[:, :, rows, cols], coverage, LIMB_DIM * JOINT_COLORS[limb])
    blend(planes, dots(shape, keypoints[:, 91:], HAND_RADIUS * scale), HAND_COLOR)
    blend(planes, dots(shape, keypoints[:, 23:91], FACE_RADIUS * scale), FACE_COLOR)
    for joint in range(18):
        if joints[:, joint, 2].any():
            coverage, rows, cols = segment(shape, joints[:, joint], joints[:, joint], JOINT_RADIUS * scale)
            blend(planes[:, :, rows, cols], coverage, JOINT_COLORS[joint])
    return np.ascontiguousarray(np.moveaxis((planes + 0.5).astype(np.uint8), 0, -1))


def blend(planes: Array, coverage: Array, color: Array) -> None:
    """Lays a colour (3,) over planes (3, F, h, w), in place."""
    for plane, value in zip(planes, color, strict=True):
        plane += coverage * (value - plane)
