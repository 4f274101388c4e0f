"""Finds the background and the objects of a clip in its pixels alone."""

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from shared.toybox.scenes.vocabulary import BACKGROUNDS

Array = NDArray[np.floating]

TEXTURE_SPREAD = 12.0
"""Spread of the border's brightness (of 255, 5th to 95th percentile) above which there is a texture."""

_TEXTURE_ALLOWANCE = 46.0
"""How far along the gray axis (length in RGB) a texture, and not an object, may reach."""

_FOREGROUND = 30.0
"""RGB distance from the background at which an object begins: half of the least distance in the palette."""

_AXIS = np.float32(1 / np.sqrt(3.0))


@dataclass(frozen=True)
class Ground:
    """A clip's background: its RGB colour, and whether it is textured."""

    color: Array
    textured: bool

    @property
    def name(self) -> str:
        """Nearest word of `BACKGROUNDS`."""
        return min(
            BACKGROUNDS, key=lambda name: float(np.linalg.norm(self.color - np.asarray(BACKGROUNDS[name])))
        )


@dataclass(frozen=True)
class Blob:
    """One object as it is seen.

    Attributes:
        x, y: (F,) centroid in pixels from the picture's middle; y grows downwards.
        area: (F,) in pixels.
        cover: (F, H, W) in [0, 1]: how much of each pixel belongs to the object, its dark parts included.
        body: (F, H, W) the same, measured against its brightest parts, so that blur fills no hole.
    """

    x: Array
    y: Array
    area: Array
    cover: Array
    body: Array

    @property
    def radius(self) -> Array:
        """(F,) radius of the disc of the same area, in pixels."""
        return np.sqrt(self.area / np.pi)

    def largest(self, count: int) -> NDArray[np.intp]:
        """Indices of the frames in which the object is seen largest."""
        return np.argsort(-self.area, kind="stable")[:count]


def find_ground(frames: NDArray[np.uint8]) -> Ground:
    """The background, from the pixels along the border of all frames (F, H, W, 3)."""
    border = np.concatenate(
        [
            part.reshape(-1, 3)
            for part in (frames[:, :2], frames[:, -2:], frames[:, 2:-2, :2], frames[:, 2:-2, -2:])
        ]
    ).astype(np.float32)
    color = np.median(border, axis=0)
    # The noise of single pixels is no texture: brightness is taken over neighbouring pairs.
    brightness = border.mean(axis=1)
    brightness = (brightness[1:] + brightness[:-1]) / 2
    low, middle, high = np.percentile(brightness, [5, 50, 95])
    textured = bool(high - low > TEXTURE_SPREAD)
    return Ground(color + ((low + high) / 2 - middle if textured else 0.0), textured)


def ground_distance(frames: NDArray[np.uint8], ground: Ground) -> Array:
    """(F, H, W) RGB distance from the background; what a texture does to brightness does not count."""
    difference = frames.astype(np.float32) - ground.color.astype(np.float32)
    squared = np.einsum("fhwc,fhwc->fhw", difference, difference)
    if not ground.textured:
        return np.sqrt(squared)
    along = difference.sum(axis=-1) * _AXIS
    beyond = np.maximum(np.abs(along) - _TEXTURE_ALLOWANCE, 0.0)
    return np.sqrt(np.maximum(squared - along * along, 0.0) + beyond * beyond)


def find_blobs(frames: NDArray[np.uint8], ground: Ground, most: int = 2) -> list[Blob]:
    """The objects of a clip (F, H, W, 3), followed from frame to frame, the largest first; at most `most`."""
    distance = ground_distance(frames, ground)
    within = np.zeros((3, 3, 3), bool)
    within[1] = ndimage.generate_binary_structure(2, 1)
    labels, count = ndimage.label(distance > _FOREGROUND, within)
    if not count:
        return []
    parts = _Parts(frames, labels, count)
    number = min(parts.usual_count(), most)
    paths = parts.follow(number) if number else []
    blobs = [_blob(distance, labels, path) for path in paths]
    return sorted(blobs, key=lambda blob: -float(blob.area.mean()))


class _Parts:
    """Connected parts of all frames: which frame, how large, where, of what colour."""

    def __init__(self, frames: NDArray[np.uint8], labels: NDArray[np.int32], count: int) -> None:
        flat = labels.ravel()
        every = np.arange(1, count + 1)
        area = np.bincount(flat, minlength=count + 1)[1:].astype(np.float64)
        f, y, x = np.unravel_index(np.flatnonzero(flat), labels.shape)
        of = flat[flat > 0]
        self.frames, height, width = labels.shape
        self.frame = np.rint(np.bincount(of, f, count + 1)[1:] / area).astype(int)
        place = np.stack([np.bincount(of, axis, count + 1)[1:] / area for axis in (x, y)], axis=1)
        pixels = frames.reshape(-1, 3)[flat > 0].astype(np.float32)
        color = np.stack([np.bincount(of, pixels[:, c], count + 1)[1:] / area for c in range(3)], axis=1)
        largest = np.zeros(self.frames)
        np.maximum.at(largest, self.frame, area)
        self.least = max(6.0 * (min(height, width) / 64) ** 2, 0.15 * float(np.median(largest)))
        # What fills half of the picture is no object: it is noise, or a background that is not one colour.
        kept = (area >= self.least) & (area <= 0.5 * min(height, width) ** 2)
        self.label, self.frame, self.area = every[kept], self.frame[kept], area[kept]
        # A step of 40 in colour weighs as much as one of an eighth of the picture.
        self.signature = np.concatenate([place[kept] / min(height, width) * 8, color[kept] / 40], axis=1)

    def usual_count(self) -> int:
        return int(np.median(np.bincount(self.frame, minlength=self.frames)))

    def follow(self, number: int) -> list[NDArray[np.intp]]:
        """For each of `number` objects its label in every frame, 0 where it is not seen."""
        members = [np.flatnonzero(self.frame == f) for f in range(self.frames)]
        members = [m[np.argsort(-self.area[m], kind="stable")][:number] for m in members]
        start = next(f for f, m in enumerate(members) if len(m) == number)
        paths = np.zeros((number, self.frames), np.intp)
        paths[:, start] = self.label[members[start]]
        for order in (range(start + 1, self.frames), range(start - 1, -1, -1)):
            last = self.signature[members[start]]
            for f in order:
                last = self._assign(paths, f, members[f], last)
        return list(paths)

    def _assign(self, paths: NDArray[np.intp], frame: int, members: NDArray[np.intp], last: Array) -> Array:
        """Give the parts of a frame to the objects so that place and colour change least."""
        if not len(members):
            return last
        options = permutations(range(len(paths)), len(members))
        best = min(options, key=lambda who: float(np.abs(self.signature[members] - last[list(who)]).sum()))
        paths[list(best), frame] = self.label[members]
        last = last.copy()
        last[list(best)] = self.signature[members]
        return last


def _blob(distance: Array, labels: NDArray[np.int32], path: NDArray[np.intp]) -> Blob:
    own = (labels == path[:, None, None]) & (path > 0)[:, None, None]
    around = np.zeros((3, 3, 3), bool)
    around[1] = True
    core = ndimage.binary_erosion(own, around)
    least, most = np.percentile(distance[core if core.any() else own], [20, 75])
    distance = distance * ndimage.binary_dilation(own, around)
    # Half a reference's distance is the outline, also where blur has softened it.
    cover = np.clip(distance / least * 1.25 - 0.125, 0.0, 1.0)
    body = np.clip(distance / most * 1.1 - 0.05, 0.0, 1.0)
    area = cover.sum(axis=(1, 2))
    seen = path > 0
    height, width = labels.shape[1:]
    divisor = np.where(seen, area, 1.0)
    x = (cover.sum(axis=1) @ (np.arange(width) + 0.5 - width / 2)) / divisor
    y = (cover.sum(axis=2) @ (np.arange(height) + 0.5 - height / 2)) / divisor
    index = np.arange(len(path))
    x, y, area = (np.interp(index, index[seen], value[seen]) for value in (x, y, area))
    return Blob(x, y, area, cover, body)
