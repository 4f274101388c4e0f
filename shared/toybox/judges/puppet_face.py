"""Finds the parts of a puppet in pixels: colours, eyes, mouth, head and hands.

Everything is measured on the 64x64 stage (larger pictures are averaged down to it) in its units. Eyes are
found as what is white within the skin; the mouth lies at a known place below them; its opening is the amount
of dark along the face's axis, which blur does not change.
"""

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from shared.toybox.puppets.drawing import CHEEK, EYE, INK, MOUTH, shade
from shared.toybox.puppets.puppet import HAIRS, SKINS
from shared.toybox.puppets.tracks import Array
from shared.toybox.scenes.vocabulary import BACKGROUNDS, COLORS, Rgb

STAGE = 64
EYE_TO_MOUTH = 9.0
"""Distance from between the eyes to the closed mouth, in units (0.56 of half a head)."""
HALF_HEAD = 16.0
"""Typical half height of a head, in units."""
EYE_REACH = 4.4
"""How far from its middle an eye reaches, in units."""
JAW, JAW_TO_CHIN = 0.6, 4.6
"""Where the face is this part of its full width, its chin is so many units below."""
CHIN_TIP = 0.4
"""Height of the tip of the chin below the last row of its skin that is wide enough to count, in units."""
NEAR = 42.0
"""RGB distance within which a pixel counts as one of the known colours."""


class Part(IntEnum):
    """What a pixel belongs to."""

    SKIN = 0
    SHADE = 1
    WHITE = 2
    INK = 3
    MOUTH = 4
    HAIR = 5
    CLOTHES = 6
    GROUND = 7


@dataclass(frozen=True)
class Looks:
    """The colours of a puppet as words, and its skin as measured."""

    skin: str
    hair: str
    clothes: str
    background: str
    skin_rgb: Array


@dataclass(frozen=True)
class Face:
    """Where the face is, in stage units; frames where it was not seen are interpolated.

    Attributes:
        eyes: (F, 2, 2) left and right eye.
        roll: (F,) tilt, radians.
        seen: (F,) bool, whether both eyes were seen open.
        box: (F, 4) x0, y0, x1, y1 of the head.
        inside: (F, 64, 64) bool, the pixels of the face.
    """

    eyes: Array
    roll: Array
    seen: NDArray[np.bool_]
    box: Array
    inside: NDArray[np.bool_]

    @property
    def between(self) -> Array:
        """(F, 2) the point between the eyes."""
        return self.eyes.mean(1)

    @property
    def head(self) -> Array:
        """(F, 2) middle of the head."""
        return (self.box[:, :2] + self.box[:, 2:]) / 2


@dataclass(frozen=True)
class Mouth:
    """The mouth per frame: opening 0..1, bend (a smile is positive), half width in units, middle (F, 2)."""

    opening: Array
    bend: Array
    half_width: Array
    middle: Array


def to_stage(frames: NDArray[np.uint8]) -> tuple[Array, float, Array]:
    """A clip (F, H, W, 3) on the stage: (F, 64, 64, 3) float32, pixels per unit, and the stage's corner."""
    _, height, width, _ = frames.shape
    scale = min(height, width) / STAGE
    corner = np.array([width / 2 - 32 * scale, height - 64 * scale], np.float32)
    if (height, width) == (STAGE, STAGE):
        return frames.astype(np.float32), scale, corner
    box = (corner[0], corner[1], corner[0] + 64 * scale, corner[1] + 64 * scale)
    small = [
        np.asarray(Image.fromarray(frame).resize((STAGE, STAGE), Image.Resampling.BOX, box=box))
        for frame in frames
    ]
    return np.stack(small).astype(np.float32), scale, corner


def nearest(color: Array, words: dict[str, Rgb]) -> str:
    """The word whose RGB is nearest to a colour (3,)."""
    return min(words, key=lambda word: float(np.square(color - np.array(words[word])).sum()))


def square_distances(pixels: Array, colors: Array) -> Array:
    """(N, ...) squared RGB distance of pixels (..., 3) to each of the colours (N, 3)."""
    flat = pixels.reshape(-1, 3)
    colors = np.asarray(colors, np.float32)
    norms = np.einsum("pc,pc->p", flat, flat)
    distances = (-2.0 * colors) @ flat.T + norms + np.square(colors).sum(1)[:, None]
    return distances.reshape(len(colors), *pixels.shape[:-1])


def vote(pixels: Array, words: dict[str, Rgb]) -> str:
    """The word that most pixels (N, 3) are near to."""
    distances = square_distances(pixels, np.array(list(words.values())))
    near = distances.min(0) < NEAR**2
    counts = np.bincount(distances.argmin(0)[near], minlength=len(words))
    return list(words)[int(counts.argmax())]


def find_looks(stage: Array) -> Looks:
    """Colours of a clip (F, 64, 64, 3): of the edge, the chest, the middle of the face and above it."""
    edge = np.concatenate([stage[:, :24, :4], stage[:, :24, -4:]], 2).reshape(-1, 3)
    ground = np.median(edge, 0)
    chest = np.median(stage[:, 57:, 25:39].reshape(-1, 3), 0)
    middle = stage[:, 22:44, 18:46].reshape(-1, 3)
    skin = vote(middle, SKINS)
    near = square_distances(middle, np.array([SKINS[skin]]))[0] < NEAR**2
    skin_rgb = np.median(middle[near], 0) if near.any() else np.array(SKINS[skin], np.float64)
    above = stage[:, 4:22, 14:50].reshape(-1, 3)
    other = square_distances(above, np.stack([ground, skin_rgb])).min(0) > 45.0**2
    return Looks(
        skin=skin,
        hair=vote(above[other], HAIRS),
        clothes=nearest(chest, COLORS),
        background=nearest(ground, BACKGROUNDS),
        skin_rgb=skin_rgb.astype(np.float32),
    )


def classify(stage: Array, looks: Looks) -> NDArray[np.int8]:
    """The `Part` that each pixel of (F, 64, 64, 3) belongs to, by the nearest of the puppet's colours."""
    skin, clothes = tuple(looks.skin_rgb.tolist()), COLORS[looks.clothes]
    parts = [
        *(
            (skin, Part.SKIN),
            (blush(skin), Part.SKIN),
            (shade(skin, 0.9), Part.SHADE),
            (shade(skin, 0.8), Part.SHADE),
        ),
        *((EYE, Part.WHITE), (INK, Part.INK), (MOUTH, Part.MOUTH), (HAIRS[looks.hair], Part.HAIR)),
        *(
            (clothes, Part.CLOTHES),
            (shade(clothes, 0.86), Part.CLOTHES),
            (shade(clothes, 0.72), Part.CLOTHES),
        ),
        (BACKGROUNDS[looks.background], Part.GROUND),
    ]
    distances = square_distances(stage, np.array([color for color, _ in parts]))
    return np.array([part for _, part in parts], np.int8)[distances.argmin(0)]


def blush(skin: tuple[float, float, float]) -> tuple[float, ...]:
    """The colour of cheeks."""
    return tuple(0.7 * channel + 0.3 * red for channel, red in zip(skin, CHEEK, strict=True))


def find_face(stage: Array, parts: NDArray[np.int8], looks: Looks) -> Face:
    """Eyes, tilt and head from a clip (F, 64, 64, 3) and its parts (F, 64, 64)."""
    body, frames = largest_area(parts <= Part.SHADE), len(parts)
    inside = surrounded(body) >= 3
    # Eyes are gray where blur mixes their white with the pupil; skin is never gray.
    warmth = stage[..., 0] - stage[..., 2]
    gray = np.abs(warmth) < 0.4 * float(looks.skin_rgb[0] - looks.skin_rgb[2])
    white = inside & gray & (stage[..., 0] > 105.0)
    filled = (white | (parts == Part.INK) | (parts == Part.MOUTH)) & inside
    eyes = np.stack([eye_pair(white[frame], filled[frame]) for frame in range(frames)])
    seen = np.all(np.isfinite(eyes), axis=(1, 2))
    eyes = fill(eyes)
    bare = body & (parts == Part.SKIN)
    box = fill(head_boxes(bare, eyes.mean(1)))
    across = eyes[:, 0] - eyes[:, 1]
    return Face(eyes, np.arctan2(across[:, 1], across[:, 0]), seen, box, inside)


def largest_area(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """In each frame of (F, H, W), the largest connected area."""
    plane = np.zeros((3, 3, 3), bool)
    plane[1] = [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
    labels, count = ndimage.label(mask, plane)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = 0
    largest = sizes[labels].reshape(len(mask), -1).argmax(1)
    chosen = labels.reshape(len(mask), -1)[np.arange(len(mask)), largest]
    return (labels == chosen[:, None, None]) & (labels > 0)


def surrounded(mask: NDArray[np.bool_]) -> NDArray[np.int8]:
    """On how many of its four sides (left, right, above, below) each pixel sees the mask."""
    sides = np.zeros(mask.shape, np.int8)
    for axis in (1, 2):
        sides += np.logical_or.accumulate(mask, axis)
        sides += np.flip(np.logical_or.accumulate(np.flip(mask, axis), axis), axis)
    return sides


def eye_pair(white: NDArray[np.bool_], filled: NDArray[np.bool_]) -> Array:
    """Middle of the left and right eye (2, 2), NaN when there is no such pair.

    Args:
        white: (H, W) white pixels of the face.
        filled: (H, W) white and dark ones, so that a pupil does not move the middle.
    """
    labels, count = ndimage.label(white, np.ones((3, 3)))
    if count < 2:
        return np.full((2, 2), np.nan, np.float32)
    boxes = [(cols.start, cols.stop, rows.start, rows.stop) for rows, cols in ndimage.find_objects(labels)]
    pair = best_pair(np.array(boxes, np.float32), np.bincount(labels.ravel())[1:])
    y, x = np.nonzero(filled)
    points = np.stack([x, y], -1) + 0.5
    for eye in range(2):
        for _ in range(2):
            near = np.square(points - pair[eye]).sum(1) < EYE_REACH**2
            if near.any():
                pair[eye] = points[near].mean(0)
    return pair


def best_pair(boxes: Array, sizes: NDArray[np.int64]) -> Array:
    """The two of the boxes (N, 4: x0, x1, y0, y1) that are most like a pair of eyes, left first, or NaN."""
    best, found = 0.0, np.full((2, 2), np.nan, np.float32)
    order = [i for i in np.argsort(-sizes)[:6] if sizes[i] >= 6]
    middles = np.stack([boxes[:, :2].mean(1), boxes[:, 2:].mean(1)], -1)
    for left in order:
        for right in order:
            across, down = middles[left] - middles[right]
            if not (8.0 < across < 17.0 and abs(down) < 6.5):
                continue
            score = min(sizes[left], sizes[right], 25) - 2.5 * abs(np.hypot(across, down) - 12.6) - abs(down)
            if score > best:
                best, found = score, middles[[left, right]].astype(np.float32)
    return found


def head_boxes(bare: NDArray[np.bool_], between: Array) -> Array:
    """(F, 4) box of the head from its bare skin (F, H, W): sides and chin are seen, the top is under hair.

    The chin ends in the last row that is bare over more than a few pixels, for a neck is shaded. An open mouth
    hides that; then it is reckoned from where the jaw has narrowed to `JAW` of the head's width. How far below
    the eyes (F, 2) it is and how wide the head is hardly change in a clip, so what deviates is not believed.
    """
    wide = bare.sum(1) >= 4
    left, right = wide.argmax(1), STAGE - wide[:, ::-1].argmax(1)
    reach = np.where(bare.any(2), STAGE - bare[..., ::-1].argmax(2) - bare.argmax(2), 0)
    below = np.arange(STAGE) + 0.5 - between[:, 1:]
    jaw = last_row((reach >= JAW * (right - left)[:, None]) & (below > 7.0) & (below < 18.0)) + JAW_TO_CHIN
    tip = last_row((bare.sum(2) >= 6) & (below > 11.0) & (below < 21.0)) + CHIN_TIP
    chin = np.where(tip > jaw - 1.5, tip, jaw)
    boxes = np.stack([left, chin - 2.0 * HALF_HEAD, right, chin], -1).astype(np.float32)
    boxes[~(wide.any(1) & np.isfinite(chin))] = np.nan
    if np.isfinite(boxes).any():
        drop, width = boxes[:, 3] - between[:, 1], boxes[:, 2] - boxes[:, 0]
        usual = np.nanmedian(drop)
        boxes[:, 1::2] += (np.clip(drop, usual - 1.5, usual + 1.5) - drop)[:, None]
        boxes[np.abs(width - np.nanmedian(width)) > 2.5] = np.nan
    return boxes


def last_row(rows: NDArray[np.bool_]) -> Array:
    """Lower edge (F,) of the last true one of the rows (F, H), NaN without any."""
    return np.where(rows.any(1), STAGE - rows[:, ::-1].argmax(1), np.nan)


def fill(track: Array) -> Array:
    """A track (F, ...) with its NaN frames interpolated in time, the middle of the stage if all are."""
    flat = track.reshape(len(track), -1).copy()
    seen = np.isfinite(flat).all(1)
    if not seen.any():
        return np.full_like(track, STAGE / 2)
    index = np.arange(len(flat))
    for column in flat.T:
        column[~seen] = np.interp(index[~seen], index[seen], column[seen])
    return flat.reshape(track.shape)


def find_mouth(stage: Array, looks: Looks, face: Face) -> tuple[Mouth, Face]:
    """The mouth in every frame of (F, 64, 64, 3), and the face, its closed eyes put above the mouth."""
    toward = np.array(MOUTH, np.float32) - looks.skin_rgb
    dark = ((stage - looks.skin_rgb) @ toward) / np.square(toward).sum()
    # Blind to nose and cheeks, and symmetric about one half so that blur keeps areas.
    dark = np.clip((dark - 0.3) / 0.4, 0.0, 1.0) * face.inside
    mouth, local = measure_mouth(dark, face)
    if face.seen.any() and not face.seen.all():
        lag = 1.3 * mouth.opening
        usual = np.median((local[:, 1] - lag)[face.seen])
        for _ in range(2):
            miss = np.where(face.seen[:, None], 0.0, local - np.stack([0 * lag, usual + lag], -1))
            face = replace(face, eyes=face.eyes + turn(miss, face.roll)[:, None])
            mouth, local = measure_mouth(dark, face)
            lag = 1.3 * mouth.opening
    return mouth, face


def measure_mouth(dark: Array, face: Face) -> tuple[Mouth, Array]:
    """The mouth from the darkness (F, 64, 64) below the eyes, and where it is from its usual place (F, 2)."""
    axis = np.arange(STAGE, dtype=np.float32) + 0.5
    dx = axis[None, None, :] - face.between[:, 0, None, None]
    dy = axis[None, :, None] - face.between[:, 1, None, None]
    cos, sin = np.cos(face.roll)[:, None, None], np.sin(face.roll)[:, None, None]
    u, v = cos * dx + sin * dy, cos * dy - sin * dx - EYE_TO_MOUTH
    dark = dark * ((np.abs(u) < 9.5) & (v > -4.2) & (v < 7.2))
    total = dark.sum((1, 2)) + 1e-3
    shift = np.clip((dark * u).sum((1, 2)) / total, -4.0, 4.0)
    u = u - shift[:, None, None]
    height, level = strip(dark, u, v, 0.0, 1.7)
    thin = dark * (np.abs(v) < 3.2)
    sides = [strip(thin, u, v, center, 1.1) for center in (-4.2, 4.2)]
    weight = sum(amount for amount, _ in sides)
    side = sum(amount * middle for amount, middle in sides) / np.maximum(weight, 1e-3)
    local = np.stack([shift, level], -1)
    mouth = Mouth(
        opening=np.clip((height / 2.0 - 0.95) / 3.8, 0.0, 1.0).astype(np.float32),
        bend=np.where(weight > 0.5, level - side, 0.0),
        half_width=2.0 * np.sqrt((dark * u * u).sum((1, 2)) / total),
        middle=face.between + turn(local + np.array([0.0, EYE_TO_MOUTH]), face.roll),
    )
    return mouth, local


def turn(local: Array, roll: Array) -> Array:
    """Vectors (F, 2) of the upright face on the stage."""
    cos, sin = np.cos(roll), np.sin(roll)
    return np.stack([cos * local[:, 0] - sin * local[:, 1], sin * local[:, 0] + cos * local[:, 1]], -1)


def strip(dark: Array, u: Array, v: Array, center: float, half: float) -> tuple[Array, Array]:
    """Height (F,) and middle (F,) of the dark within a strip along the face's axis."""
    weight = np.clip(half + 0.5 - np.abs(u - center), 0.0, 1.0)
    amount = (dark * weight).sum((1, 2))
    return amount / (2.0 * half), (dark * weight * v).sum((1, 2)) / (amount + 1e-3)


def find_hands(parts: NDArray[np.int8], face: Face) -> Array:
    """(F, 2, 3) middle of the left and right hand and confidence 0 or 1: skin beside the head."""
    axis = np.arange(STAGE, dtype=np.float32) + 0.5
    x, y = axis[None, None], axis[None, :, None]
    bare = (parts == Part.SKIN) & (y > face.head[:, 1, None, None] - 4.0) & (y < 56.0)
    hands = np.zeros((len(parts), 2, 3), np.float32)
    for side, sign in enumerate((1.0, -1.0)):
        beside = bare & (sign * (x - face.head[:, 0, None, None]) > 15.5)
        # Seams between hair and background can look like skin, but they are thin.
        hand = largest_area(ndimage.binary_opening(beside, np.ones((1, 3, 3))))
        size = hand.sum((1, 2))
        middle = np.stack([(hand * x).sum((1, 2)), (hand * y).sum((1, 2))], -1) / np.maximum(size, 1)[:, None]
        hands[:, side, :2] = middle
        hands[:, side, 2] = size >= 18
    return hands
