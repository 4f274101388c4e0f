"""Judges what the camera does and how objects move against the background."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from shared.toybox.judges.outlines import SYMMETRY
from shared.toybox.judges.segmentation import Array, Blob

LEAST_PAN, LEAST_ZOOM = 5.0, 0.14
"""Pixels (of 64) and logarithm of the ratio from which a camera counts as moved."""

LEAST_PATH, LEAST_GROWTH, LEAST_TURN = 7.0, 0.3, np.deg2rad(50.0)
"""Pixels (of 64), logarithm of the ratio, and angle from which an object counts as moved."""


@dataclass(frozen=True)
class CameraPath:
    """Where the camera has gone since the first frame: (F,) pixels of that frame, and zoom (1 at first)."""

    x: Array
    y: Array
    zoom: Array


def follow_camera(frames: NDArray[np.uint8], blobs: list[Blob]) -> CameraPath:
    """Pan and zoom by least squares on the brightness changes of the background, pair by pair of frames."""
    height, width = frames.shape[1:3]
    still = np.zeros(len(frames))
    if len(frames) < 2:
        return CameraPath(still, still, still + 1.0)
    gray = ndimage.gaussian_filter(frames.mean(axis=-1, dtype=np.float32), (0, 1.0, 1.0))
    objects = np.zeros(gray.shape, bool)
    for blob in blobs:
        objects |= blob.cover > 0
    objects = ndimage.binary_dilation(objects, np.ones((1, 7, 7), bool))
    clear = ~(objects[1:] | objects[:-1])
    middle = (gray[1:] + gray[:-1]) / 2
    dy, dx = np.gradient(middle, axis=(1, 2))
    x, y = np.arange(width) + 0.5 - width / 2, (np.arange(height) + 0.5 - height / 2)[:, None]
    columns = np.stack([dx, dy, dx * x + dy * y], axis=-1) * clear[..., None]
    columns = columns.reshape(len(clear), -1, 3)
    change = (gray[1:] - gray[:-1]).reshape(len(clear), -1, 1)
    normal = columns.transpose(0, 2, 1) @ columns + np.diag([1.0, 1.0, 100.0])
    step = np.linalg.solve(normal, columns.transpose(0, 2, 1) @ change)[..., 0]
    # gray(t+1, p) = gray(t, p - flow): the change is minus gradient times flow, and flow = zoom p - pan.
    zoom = np.concatenate([[1.0], np.exp(np.cumsum(-step[:, 2]))])
    pan = np.concatenate([np.zeros((1, 2)), np.cumsum(step[:, :2] / zoom[1:, None], axis=0)])
    return CameraPath(pan[:, 0], pan[:, 1], zoom)


def judge_camera(path: CameraPath, scale: float) -> str:
    """The camera's move as a word of `CAMERAS`; `scale` is the picture's shorter side over 64."""
    pan = np.array([path.x[-1], path.y[-1]]) / scale
    zoom = float(np.log(path.zoom[-1]))
    axis = int(np.abs(pan[1]) > np.abs(pan[0]))
    if abs(zoom) / LEAST_ZOOM > max(1.0, abs(pan[axis]) / LEAST_PAN):
        return "zoom in" if zoom > 0 else "zoom out"
    if abs(pan[axis]) < LEAST_PAN:
        return "static"
    return (("pan left", "pan right"), ("pan up", "pan down"))[axis][int(pan[axis] > 0)]


def judge_motion(blob: Blob, shape: str, camera: CameraPath, scale: float) -> str | None:
    """The motion against the background as a word of `MOTIONS`, or None where there is none.

    Args:
        blob: the object as it is seen.
        shape: its shape, on whose symmetry a spin depends.
        camera: what has to be taken off.
        scale: the picture's shorter side over 64.
    """
    if len(blob.x) < 3:
        return None
    x = (blob.x / camera.zoom + camera.x) / scale
    y = (blob.y / camera.zoom + camera.y) / scale
    growth = _rise(np.log(blob.radius / camera.zoom))
    width, height = np.ptp(x), np.ptp(y)
    path = max(width, height)
    if abs(growth) / LEAST_GROWTH > max(1.0, path / LEAST_PATH):
        return "grow" if growth > 0 else "shrink"
    if path < LEAST_PATH:
        return "spin" if abs(_turn(blob, shape)) > LEAST_TURN else None
    if min(width, height) > 0.45 * path:
        return "orbit"
    along = x if width > height else y
    straight = abs(_rise(along)) / np.ptp(along)
    if width > height:
        return None if straight < 0.7 else "right" if along[-1] > along[0] else "left"
    if straight < 0.7 or _back_and_forth(y) > 1.7:
        return "bounce"
    return "down" if along[-1] > along[0] else "up"


def _rise(values: Array) -> float:
    """Change of a straight line through the values, from the first to the last."""
    index = np.arange(len(values))
    return float(np.polyfit(index, values, 1)[0] * (len(values) - 1))


def _back_and_forth(values: Array) -> float:
    """Length of the way over its extent: 1 for one that never turns back."""
    smooth = ndimage.gaussian_filter1d(values, 0.5)
    return float(np.abs(np.diff(smooth)).sum() / max(np.ptp(smooth), 1e-6))


def _turn(blob: Blob, shape: str) -> float:
    """Angle (radians) that an object turns through: the phase of its angular harmonic, unwrapped."""
    order = SYMMETRY[shape]
    if not order:
        return 0.0
    height, width = blob.cover.shape[1:]
    x = np.arange(width) + 0.5 - width / 2 - blob.x[:, None, None]
    y = (np.arange(height) + 0.5 - height / 2)[:, None] - blob.y[:, None, None]
    harmonic = (blob.cover * (x + 1j * y) ** order).sum(axis=(1, 2))
    angle = np.unwrap(np.angle(harmonic)) / order
    return _rise(angle)
