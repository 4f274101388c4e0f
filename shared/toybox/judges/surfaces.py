"""Judges colour and material of an object by what its pixels would be under every answer."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from shared.toybox.judges.outlines import SYMMETRY, Outline
from shared.toybox.judges.segmentation import Array, Blob, Ground
from shared.toybox.palette import COLORS
from shared.toybox.shapes import DARK, GLASS_OPACITY, OUTLINES, SURFACES, glass_opacity
from shared.toybox.vocabulary import MATERIALS

_GRAINS = tuple(float(grain) for grain in np.arange(8) * (np.pi / 4))
"""Phases that are tried for a material whose pattern may lie anywhere."""

_CLEAN = 6.0
"""Mean distance (of 255) from one flat colour below which a surface has no pattern."""

_PATTERNED = frozenset({"wood", "stone"})


def judge_color(frames: NDArray[np.uint8], blob: Blob, ground: Ground) -> str:
    """The colour whose shades (a material's dark parts, glass over this background) fit the object best.

    Args:
        frames: (F, H, W, 3).
        blob: the object.
        ground: the background behind it.
    """
    inside = ndimage.binary_erosion(blob.cover > 0.9, np.ones((1, 3, 3), bool))
    if inside.sum() < 20:
        inside = blob.cover > 0.5
    pixels = frames[inside].astype(np.float32)
    pixels = pixels[:: max(len(pixels) // 2000, 1)]
    return min(
        COLORS, key=lambda name: float(np.mean(_misfit(pixels, np.asarray(COLORS[name], np.float32), ground)))
    )


def _misfit(pixels: Array, color: Array, ground: Ground) -> Array:
    """Distance of pixels from the two lines of shades that a colour may take."""
    shaded = _to_segment(pixels, color * DARK, color)
    seen_through = _to_segment(pixels, GLASS_OPACITY * color + (1 - GLASS_OPACITY) * ground.color, color)
    return np.minimum(shaded, seen_through)


def _to_segment(points: Array, start: Array, end: Array) -> Array:
    line = end - start
    along = np.clip((points - start) @ line / (line @ line), 0, 1)
    return np.linalg.norm(points - start - along[:, None] * line, axis=1)


def judge_material(
    frames: NDArray[np.uint8], blob: Blob, outline: Outline, color: str, ground: Ground
) -> str | None:
    """The material whose drawing is nearest to the object's pixels, or None for a plain surface.

    Args:
        frames: (F, H, W, 3).
        blob: the object.
        outline: its judged shape, angle and radius.
        color: its judged colour.
        ground: the background behind it.
    """
    paint = np.asarray(COLORS[color], np.float32)
    views = [_View(frames[index], blob, outline, int(index)) for index in blob.largest(2)]
    plain = sum(view.misfit(None, paint, ground) for view in views)
    if plain < _CLEAN * len(views):
        return None
    misfits = {name: sum(view.misfit(name, paint, ground) for view in views) for name in MATERIALS}
    best = min(misfits, key=misfits.__getitem__)
    return best if misfits[best] < plain else None


class _View:
    """One frame's pixels inside an object's outline, and their places in the object's own coordinates."""

    def __init__(self, frame: NDArray[np.uint8], blob: Blob, outline: Outline, index: int) -> None:
        height, width = frame.shape[:2]
        radius, angle = float(outline.radius[index]), float(outline.angle[index])
        u = ((np.arange(width) + 0.5 - width / 2 - blob.x[index]) / radius).astype(np.float32)
        v = ((np.arange(height) + 0.5 - height / 2 - blob.y[index]) / radius).astype(np.float32)
        rows, columns = np.flatnonzero(np.abs(v) < 1.25), np.flatnonzero(np.abs(u) < 1.25)
        x, y = _turned(u[columns], v[rows, None], angle)
        inside = -OUTLINES[outline.shape](x, y)
        counted = inside * radius > 1.0
        self.shape, self.x, self.y, self.inside = outline.shape, x[counted], y[counted], inside[counted]
        self.pixels = frame[rows[:, None], columns][counted].astype(np.float32)

    def misfit(self, material: str | None, color: Array, ground: Ground) -> float:
        """Mean distance between the pixels and the drawing, over the angles and grains that it may have."""
        if not len(self.pixels):
            return np.inf
        if material is None or material == "glass":
            opacity = glass_opacity(self.inside)[:, None] if material else 1.0
            return float(np.abs(self.pixels - ground.color - opacity * (color - ground.color)).mean())
        turns = 1 if material == "rubber" else max(SYMMETRY[self.shape], 1)
        places = [_turned(self.x, self.y, 2 * np.pi * turn / turns) for turn in range(turns)]
        grains = _GRAINS if material in _PATTERNED else _GRAINS[:1]
        tones = [SURFACES[material](x, y, self.inside, grain) for x, y in places for grain in grains]
        return min(float(np.abs(self.pixels - tone[:, None] * color).mean()) for tone in tones)


def _turned(x: Array, y: Array, angle: float) -> tuple[Array, Array]:
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return cos * x + sin * y, cos * y - sin * x
