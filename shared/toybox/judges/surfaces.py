"""Judges colour and material of an object by what its pixels would be under every answer."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from shared.toybox.judges.outlines import SYMMETRY, Outline
from shared.toybox.judges.segmentation import Array, Blob, Ground
from shared.toybox.scenes.shapes import DARK, GLASS_OPACITY, OUTLINES, SURFACES, glass_opacity
from shared.toybox.scenes.vocabulary import COLORS, MATERIALS

_GRAINS = tuple(float(grain) for grain in np.arange(6) * (np.pi / 3))
"""Phases that are tried for a material whose pattern may lie anywhere."""

_LEAST_HUE = 45.0
"""Length in RGB across the gray axis from which a difference of hue can be measured."""

_CLEAN = 4.5
"""Mean distance (of 255) from one flat colour below which the only pattern can be the middle of thin glass."""

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


def unmix(frames: NDArray[np.uint8], blob: Blob, color: str, ground: Ground) -> Array:
    """How much of each pixel (F, H, W) an object of this colour takes, however dark its surface is there.

    Over a texture, where brightness does not tell what is behind, hue decides, or else the distance from it.
    """
    near = blob.body > 0
    pixels = frames[near].astype(np.float32)
    cover = np.zeros(blob.body.shape, np.float32)
    paint = np.asarray(COLORS[color], np.float32)
    line = (paint - ground.color).astype(np.float32)
    if ground.textured:
        hue = line - line.mean()
        if np.linalg.norm(hue) < _LEAST_HUE:
            return blob.body
        cover[near] = np.clip((pixels - ground.color) @ hue / (line @ hue) * 1.1 - 0.05, 0, 1)
        return cover
    share = np.clip((pixels - ground.color) @ line / (line @ line), 0, 1)
    mixed = np.linalg.norm(pixels - ground.color - share[:, None] * line, axis=1)
    cover[near] = np.where(_to_segment(pixels, DARK * paint, paint) < mixed, 1.0, share)
    return cover


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
    views = [_View(frames[index], blob, outline, int(index)) for index in blob.largest(2)]
    plain = np.mean([view.misfit(None, color, ground) for view in views])
    possible = MATERIALS if plain > _CLEAN else ("glass",)
    misfits = {name: np.mean([view.misfit(name, color, ground) for view in views]) for name in possible}
    best = min(misfits, key=misfits.__getitem__)
    return best if misfits[best] < plain else None


class _View:
    """The crop of one frame around an object, and the places of its pixels in the object's own coordinates."""

    def __init__(self, frame: NDArray[np.uint8], blob: Blob, outline: Outline, index: int) -> None:
        height, width = frame.shape[:2]
        radius, angle = float(outline.radius[index]), float(outline.angle[index])
        u = ((np.arange(width) + 0.5 - width / 2 - blob.x[index]) / radius).astype(np.float32)
        v = ((np.arange(height) + 0.5 - height / 2 - blob.y[index]) / radius).astype(np.float32)
        rows, columns = np.flatnonzero(np.abs(v) < 1.4), np.flatnonzero(np.abs(u) < 1.4)
        self.shape, self.softness = outline.shape, float(outline.softness[index])
        self.x, self.y = _turned(u[columns], v[rows, None], angle)
        self.inside = -OUTLINES[outline.shape](self.x, self.y)
        self.cover = np.clip(self.inside * radius + 0.5, 0, 1)
        self.counted = self.inside > -0.2
        self.pixels = frame[rows[:, None], columns][self.counted].astype(np.float32)

    def misfit(self, material: str | None, color: str, ground: Ground) -> float:
        """Mean distance between the pixels and the drawing, over the angles and grains that it may have."""
        if not len(self.pixels):
            return np.inf
        cover = self.cover * glass_opacity(self.inside) if material == "glass" else self.cover
        tones = np.stack([cover, *(cover * tone for tone in self._tones(material))])
        paint = np.asarray(COLORS[color], np.float32)
        misfits = []
        for softness in (0.4, self.softness):
            seen = ndimage.gaussian_filter(tones, (0, softness, softness))[:, self.counted, None]
            drawn = (1 - seen[:1]) * ground.color + seen[1:] * paint
            misfits.append(np.abs(self.pixels - drawn).mean(axis=(1, 2)).min())
        return float(min(misfits))

    def _tones(self, material: str | None) -> list[Array]:
        if material is None or material == "glass":
            return [np.ones_like(self.x)]
        turns = 1 if material == "rubber" else max(SYMMETRY[self.shape], 1)
        grains = _GRAINS if material in _PATTERNED else _GRAINS[:1]
        places = [_turned(self.x, self.y, 2 * np.pi * turn / turns) for turn in range(turns)]
        return [SURFACES[material](x, y, self.inside, grain) for x, y in places for grain in grains]


def _turned(x: Array, y: Array, angle: float) -> tuple[Array, Array]:
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return cos * x + sin * y, cos * y - sin * x
