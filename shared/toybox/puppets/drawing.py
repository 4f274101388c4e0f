"""Draws a puppet: antialiased signed-distance shapes, all frames at once.

Every part is evaluated only in the window of pixels that it can reach in the clip, which is what makes a clip
of 17 frames at 64x64 take a few milliseconds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.toybox.puppets.figure import SIDES, Figure
from shared.toybox.puppets.tracks import Array
from shared.toybox.scenes.vocabulary import Rgb

MOUTH: Rgb = (72, 8, 20)
INK: Rgb = (34, 24, 26)
EYE: Rgb = (252, 252, 252)
CHEEK: Rgb = (232, 88, 84)
DOWN = np.array([0.0, 1.0], np.float32)


@dataclass(frozen=True)
class Paints:
    """The colours of one puppet."""

    skin: Rgb
    hair: Rgb
    clothes: Rgb
    background: Rgb


@dataclass(frozen=True)
class Window:
    """A block of pixels and the coordinates of its pixel centres in units."""

    rows: slice
    cols: slice
    x: Array
    y: Array


class Canvas:
    """A clip being painted: float planes (3, F, H, W) in 0..255 and the stage's scale in pixels per unit."""

    def __init__(self, frames: int, size: tuple[int, int], background: Rgb) -> None:
        """An empty clip of `size` (width, height) in the background's colour."""
        width, height = size
        self.scale = min(width, height) / 64.0
        self.planes = np.empty((3, frames, height, width), np.float32)
        self.planes[:] = np.array(background, np.float32)[:, None, None, None]
        # The stage is centred across and stands on the lower edge.
        self.xs = ((np.arange(width) + 0.5 - width / 2) / self.scale + 32.0).astype(np.float32)
        self.ys = ((np.arange(height) + 0.5 - height) / self.scale + 64.0).astype(np.float32)

    def window(self, points: Array, reach: float) -> Window:
        """The pixels within `reach` units of any of the points (..., 2)."""
        low = points.reshape(-1, 2).min(0) - reach - 1.0 / self.scale
        high = points.reshape(-1, 2).max(0) + reach + 1.0 / self.scale
        rows, cols = (
            slice(*np.searchsorted(axis, (low[i], high[i]))) for i, axis in ((1, self.ys), (0, self.xs))
        )
        return Window(rows, cols, self.xs[cols][None, None, :], self.ys[rows][None, :, None])

    def cover(self, distance: Array) -> Array:
        """Coverage 0..1 of pixels from signed distances in units (negative is inside)."""
        coverage = distance * np.float32(-self.scale)
        coverage += np.float32(0.5)
        return np.clip(coverage, 0.0, 1.0, out=coverage)

    def paint(self, window: Window, coverage: Array, color: Rgb | Array) -> None:
        """Blends a colour, (3,) or (3, F) for one per frame, over the window's pixels."""
        tint = np.asarray(color, np.float32).reshape(3, -1)
        for plane, value in zip(self.planes, tint, strict=True):
            part = plane[:, window.rows, window.cols]
            part += coverage * (value[:, None, None] - part)

    def frames(self) -> NDArray[np.uint8]:
        """The finished clip, (F, H, W, 3) uint8."""
        rounded = (self.planes + 0.5).astype(np.uint8)
        return np.ascontiguousarray(np.moveaxis(rounded, 0, -1))


def ellipse(x: Array, y: Array, rx: float | Array, ry: float | Array) -> Array:
    """Approximate signed distance to an axis-aligned ellipse, exact to first order at its rim."""
    u, v = x * (1.0 / rx), y * (1.0 / ry)
    k = np.sqrt(u * u + v * v)
    u *= 1.0 / rx
    v *= 1.0 / ry
    return k * (k - 1.0) / np.maximum(np.sqrt(u * u + v * v), 1e-3)


def capsule(window: Window, start: Array, end: Array, radius: float) -> Array:
    """Signed distance to a thick line between stage points (F, 2)."""
    a, b = start[:, None, None], (end - start)[:, None, None]
    x, y = window.x - a[..., 0], window.y - a[..., 1]
    bx, by = b[..., 0], b[..., 1]
    along = np.clip((x * bx + y * by) / np.maximum(bx * bx + by * by, 1e-6), 0.0, 1.0)
    x = x - along * bx
    y = y - along * by
    return np.sqrt(x * x + y * y) - np.float32(radius)


def shade(color: Rgb, factor: float) -> Rgb:
    """A darker version of a colour."""
    red, green, blue = (round(channel * factor) for channel in color)
    return red, green, blue


class Painter:
    """Paints one figure's parts, back to front."""

    def __init__(self, canvas: Canvas, figure: Figure, paints: Paints, hair_style: str) -> None:
        """Prepares the head's coordinate grid, which all face parts share."""
        self.canvas, self.figure, self.paints, self.hair_style = canvas, figure, paints, hair_style
        self.head = canvas.window(figure.center, figure.build.half_height + 13.0)
        dx = self.head.x - figure.center[:, 0, None, None]
        dy = self.head.y - figure.center[:, 1, None, None]
        cos, sin = np.cos(figure.pose.roll)[:, None, None], np.sin(figure.pose.roll)[:, None, None]
        self.u, self.v = cos * dx + sin * dy, cos * dy - sin * dx

    def draw(self) -> NDArray[np.uint8]:
        """Paints everything and returns the frames (F, H, W, 3) uint8."""
        self.back_hair()
        self.body()
        self.skull()
        self.front_hair()
        self.eyes()
        self.brows()
        self.nose_and_mouth()
        self.arms()
        return self.canvas.frames()

    def in_head(self, window: Window) -> tuple[slice, slice]:
        """Rows and columns of a window counted from the head's window."""
        rows, cols, head = window.rows, window.cols, self.head
        return (
            slice(rows.start - head.rows.start, rows.stop - head.rows.start),
            slice(cols.start - head.cols.start, cols.stop - head.cols.start),
        )

    def local(self, place: Array, reach: float) -> tuple[Window, Array, Array]:
        """The window around a place in head coordinates (F, 2), and head coordinates about that place."""
        window = self.canvas.window(self.figure.to_stage(place), reach)
        rows, cols = self.in_head(window)
        u = self.u[:, rows, cols] - place[:, 0, None, None]
        v = self.v[:, rows, cols] - place[:, 1, None, None]
        return window, u, v

    def disc(self, place: Array, rx: float | Array, ry: float | Array, reach: float) -> tuple[Window, Array]:
        """Window and coverage of an ellipse at a place in head coordinates."""
        window, u, v = self.local(place, reach)
        return window, self.canvas.cover(ellipse(u, v, rx, ry))

    def fixed(self, x: float, y: float) -> Array:
        """(F, 2) a place that moves with the head only."""
        return np.broadcast_to(np.array([x, y], np.float32), self.figure.center.shape)

    def back_hair(self) -> None:
        """What hangs or stands behind the head."""
        a, b = self.figure.build.half_width, self.figure.build.half_height
        if self.hair_style == "long":
            width, top = a + 4.0, -b - 2.0
            x = np.maximum(np.abs(self.u) - (width - 9.0), 0.0)
            y = np.maximum(np.abs(self.v - 5.0) - (5.0 - top - 9.0), 0.0)
            coverage = self.canvas.cover(np.sqrt(x * x + y * y) - np.float32(9.0))
            self.canvas.paint(self.head, coverage, self.paints.hair)
        elif self.hair_style == "bun":
            window, coverage = self.disc(self.fixed(0.0, -b - 3.6), 5.6, 5.2, 6.0)
            self.canvas.paint(window, coverage, self.paints.hair)
        elif self.hair_style == "curly":
            for angle in np.linspace(-1.75, 1.75, 8):
                place = self.fixed((a + 0.6) * np.sin(angle), -1.5 - (b - 0.6) * np.cos(angle))
                window, coverage = self.disc(place, 5.2, 5.2, 5.5)
                self.canvas.paint(window, coverage, self.paints.hair)

    def body(self) -> None:
        """Neck, torso and collar."""
        figure, canvas = self.figure, self.canvas
        middle = figure.shoulders.mean(1)
        wide = figure.build.shoulder + 4.2
        torso = canvas.window(np.concatenate([middle, middle + DOWN * 16.0]), wide)
        x = np.maximum(np.abs(torso.x - middle[:, 0, None, None]) - (wide - 9.0), 0.0)
        y = np.minimum(torso.y - (middle[:, 1, None, None] + 5.0), 0.0)
        canvas.paint(torso, canvas.cover(np.sqrt(x * x + y * y) - np.float32(9.0)), self.paints.clothes)
        collar = canvas.window(middle, 7.0)
        canvas.paint(
            collar,
            canvas.cover(
                ellipse(
                    collar.x - middle[:, 0, None, None], collar.y - middle[:, 1, None, None] + 3.5, 6.6, 5.0
                )
            ),
            shade(self.paints.clothes, 0.72),
        )
        start = figure.to_stage(self.fixed(0.0, figure.build.half_height - 4.0))
        end = middle - np.array([0.0, 4.5], np.float32)
        neck = canvas.window(np.stack([start, end]), 5.0)
        canvas.paint(neck, canvas.cover(capsule(neck, start, end, 4.4)), shade(self.paints.skin, 0.86))

    def skull(self) -> None:
        """Ears and the shape of the head."""
        build, canvas = self.figure.build, self.canvas
        if self.hair_style != "long":
            for side in SIDES:
                drift = np.stack([-1.4 * self.figure.pose.yaw, 0.5 * self.figure.shift[:, 1]], -1)
                place = self.fixed(side * build.half_width, 0.0) + drift
                window, coverage = self.disc(place.astype(np.float32), 2.6, 3.2, 3.5)
                canvas.paint(window, coverage, shade(self.paints.skin, 0.9))
        self.outline = ellipse(
            self.u * (1.0 + (build.jaw / build.half_height) * self.v),
            self.v,
            build.half_width,
            build.half_height,
        )
        self.face = canvas.cover(self.outline)
        canvas.paint(self.head, self.face, self.paints.skin)
        for side in (0.66, -0.66):
            window, coverage = self.disc(self.figure.on_face(side, 0.34), 2.7, 2.0, 3.0)
            canvas.paint(window, 0.3 * coverage * self.face[:, *self.in_head(window)], CHEEK)

    def front_hair(self) -> None:
        """The cap of hair: the head's outline made larger, above a hairline that falls to the temples."""
        b = self.figure.build.half_height
        turn = self.u - self.figure.shift[:, 0, None, None]
        nod = 0.6 * self.figure.shift[:, 1, None, None]
        if self.hair_style == "curly":
            hairline = -0.6 * b + 0.9 * np.cos(1.3 * turn)
        elif self.hair_style == "short":
            hairline = -0.66 * b + 0.2 * turn
        else:
            hairline = -0.72 * b + 0.028 * turn * turn
        side = 0.03 * np.maximum(np.abs(self.u) - 6.0, 0.0) ** 2
        distance = np.maximum(self.outline - 1.7, self.v - hairline - nod - side)
        self.canvas.paint(self.head, self.canvas.cover(distance), self.paints.hair)

    def eyes(self) -> None:
        """Eyeballs that narrow to a dark line in a blink, and pupils inside them."""
        expression = self.figure.expression
        wide = np.maximum(expression.brow_raise, 0.0)
        open_ = 1.0 - expression.blink
        rx = (3.8 + 0 * wide)[:, None, None]
        ry = np.maximum((4.1 + 0.7 * wide) * open_, 0.9)[:, None, None]
        lid = np.clip(expression.blink * 2.0 - 1.0, 0.0, 1.0)
        white, ink = np.array(EYE, np.float32)[:, None], np.array(INK, np.float32)[:, None]
        for eye, pupil in zip(
            self.figure.eyes.swapaxes(0, 1), self.figure.pupils.swapaxes(0, 1), strict=True
        ):
            window, u, v = self.local(eye, 5.4)
            coverage = self.canvas.cover(ellipse(u, v, rx, ry))
            self.canvas.paint(window, coverage, white + lid * (ink - white))
            offset = (pupil - eye)[:, :, None, None]
            dot = self.canvas.cover(ellipse(u - offset[:, 0], v - offset[:, 1], 2.1, 2.4))
            self.canvas.paint(window, dot * coverage, INK)

    def brows(self) -> None:
        """Two thick bars."""
        for brow in range(2):
            inner, outer = (self.figure.to_stage(self.figure.brows[:, brow, end]) for end in range(2))
            window = self.canvas.window(np.stack([inner, outer]), 2.0)
            self.canvas.paint(window, self.canvas.cover(capsule(window, inner, outer, 1.1)), INK)

    def nose_and_mouth(self) -> None:
        """A shaded nose and the dark mouth: a bent line that opens."""
        window, coverage = self.disc(self.figure.on_face(0.0, 0.2), 1.7, 1.6, 2.0)
        self.canvas.paint(window, coverage, shade(self.paints.skin, 0.8))
        expression = self.figure.expression
        window, u, v = self.local(self.figure.mouth, 8.5)
        half_width = self.figure.mouth_half_width[:, None, None]
        across = np.clip(u / half_width, -1.0, 1.0)
        middle = 2.6 * expression.smile[:, None, None] * (0.45 - across * across)
        # The bend leans the mouth, so heights are measured across it.
        slope = 1.0 + (5.2 * expression.smile[:, None, None] * across / half_width) ** 2
        height = (v - middle) / np.sqrt(slope)
        beyond = np.maximum(np.abs(u) - half_width, 0.0)
        line = np.sqrt(height * height + beyond * beyond) - np.float32(0.95)
        hole = ellipse(u, height, half_width + 0.6, self.figure.mouth_half_height[:, None, None])
        self.canvas.paint(window, self.canvas.cover(np.minimum(line, hole)), MOUTH)

    def arms(self) -> None:
        """Sleeves, a shade darker so that they show on the torso, and hands."""
        figure, canvas = self.figure, self.canvas
        sleeve = shade(self.paints.clothes, 0.86)
        for side in range(2):
            joints = [points[:, side] for points in (figure.shoulders, figure.elbows, figure.wrists)]
            shown = float(figure.pose.raised[:, side].max()) > 0.0
            hand = figure.hands[:, side]
            for start, end in zip(joints, joints[1:] if shown else joints[1:2], strict=False):
                window = canvas.window(np.stack([start + DOWN, end]), 4.4)
                canvas.paint(window, canvas.cover(capsule(window, start + DOWN, end, 3.9)), sleeve)
            if shown:
                palm = canvas.window(hand, 5.0)
                x, y = palm.x - hand[:, 0, None, None], palm.y - hand[:, 1, None, None]
                canvas.paint(palm, canvas.cover(ellipse(x, y, 4.3, 4.6)), self.paints.skin)
