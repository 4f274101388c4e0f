"""Clips of coloured shapes that move over backgrounds: the toybox's first world (DESIGN section 4).

A `Scene` says everything about a clip but its resolution: places and lengths are in units of half the
picture's shorter side (x rightwards, y downwards, the origin in the middle), times in seconds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.errors import InputError
from shared.toybox.scenes.shapes import BACKDROPS, OUTLINES, REACH, SURFACES, glass_opacity
from shared.toybox.scenes.vocabulary import BACKGROUNDS, COLORS

TEXTURE_DEPTH = 24.0
"""How far (of 255) a background's texture goes from its colour."""

_HEADINGS = {"left": (-1.0, 0.0), "right": (1.0, 0.0), "up": (0.0, -1.0), "down": (0.0, 1.0)}
_PANS = {f"pan {name}": heading for name, heading in _HEADINGS.items()}


@dataclass(frozen=True)
class Actor:
    """One object.

    Attributes:
        color, shape, motion: words of `palette` and `vocabulary`.
        size: radius in the middle of the motion.
        x, y: middle of the path.
        travel: length of the path (left, right, up, down), height (bounce), radius (orbit), or the ratio
            of the last to the first size (grow; the inverse for shrink); nothing for a spin.
        period: seconds of one bounce, turn or orbit.
        phase: where in its period the object starts, in turns.
        turn: 1 for clockwise, -1 for counter-clockwise.
        material: a word of `MATERIALS`, or None for a plain surface.
        grain: phase of the material's pattern, in radians.
    """

    color: str
    shape: str
    motion: str
    size: float
    x: float = 0.0
    y: float = 0.0
    travel: float = 0.0
    period: float = 1.0
    phase: float = 0.0
    turn: int = 1
    material: str | None = None
    grain: float = 0.0


@dataclass(frozen=True)
class Scene:
    """One clip: objects over a background, seen by a camera.

    Attributes:
        actors: one or two objects, kept apart.
        background: a word of `BACKGROUNDS`.
        texture: a word of `TEXTURES`, or None for a plain background.
        texture_seed: which of the texture's patterns.
        camera: a word of `CAMERAS`; anything but static needs a texture.
        reach: length of the pan, or ratio of the zoom.
    """

    actors: tuple[Actor, ...]
    background: str
    texture: str | None = None
    texture_seed: int = 0
    camera: str = "static"
    reach: float = 0.0


@dataclass(frozen=True)
class Track:
    """Where something is in each frame: centre, radius (or zoom), angle in radians; each (F,)."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    size: NDArray[np.float64]
    angle: NDArray[np.float64]


def clip_times(frames: int, fps: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Progress in [0, 1] and time in seconds of every frame; a single frame is the clip's first."""
    index = np.arange(frames, dtype=np.float64)
    return index / max(frames - 1, 1), index / fps


def actor_track(actor: Actor, progress: NDArray[np.float64], seconds: NDArray[np.float64]) -> Track:
    """Path of an object in the world: travel and growth take the whole clip, the rest keeps its period."""
    still = np.zeros_like(progress)
    x, y, size, angle = still + actor.x, still + actor.y, still + actor.size, still
    turns = seconds / actor.period
    if actor.motion in _HEADINGS:
        dx, dy = _HEADINGS[actor.motion]
        x, y = x + dx * actor.travel * (progress - 0.5), y + dy * actor.travel * (progress - 0.5)
    elif actor.motion == "bounce":
        flight = (turns + actor.phase) % 1.0
        y = y + actor.travel * (0.5 - 4.0 * flight * (1.0 - flight))
    elif actor.motion == "spin":
        angle = 2 * np.pi * (actor.turn * turns + actor.phase)
    elif actor.motion == "orbit":
        around = 2 * np.pi * (actor.turn * turns + actor.phase)
        x, y = x + actor.travel * np.cos(around), y + actor.travel * np.sin(around)
    else:
        size = size * actor.travel ** ((progress - 0.5) * (1 if actor.motion == "grow" else -1))
    return Track(x, y, size, angle)


def camera_track(scene: Scene, progress: NDArray[np.float64]) -> Track:
    """Centre and zoom of the camera; a camera that pans right goes right, so the world goes left."""
    still = np.zeros_like(progress)
    x, y, zoom = still, still, still + 1.0
    if scene.camera in _PANS:
        dx, dy = _PANS[scene.camera]
        x, y = dx * scene.reach * (progress - 0.5), dy * scene.reach * (progress - 0.5)
    elif scene.camera == "zoom in":
        zoom = scene.reach**progress
    elif scene.camera == "zoom out":
        zoom = scene.reach ** (1.0 - progress)
    return Track(x, y, zoom, still)


def seen_track(track: Track, camera: Track) -> Track:
    """A path of the world as it is seen on the screen (same units)."""
    x, y = (track.x - camera.x) * camera.size, (track.y - camera.y) * camera.size
    return Track(x, y, track.size * camera.size, track.angle)


def render_scene(
    scene: Scene, frames: int = 17, size: int | tuple[int, int] = 64, fps: float = 8.0
) -> NDArray[np.uint8]:
    """Draw a scene.

    Args:
        scene: what to draw.
        frames: number of frames, at least 1; travel, growth and camera take all of them.
        size: side, or (width, height), in pixels, at least 8 each.
        fps: frames per second, above 0; bounces, spins and orbits keep their period.

    Returns:
        (F, H, W, 3) uint8.

    Raises:
        InputError: a number outside the ranges above.
    """
    width, height = (size, size) if isinstance(size, int) else size
    if frames < 1 or min(width, height) < 8 or not fps > 0:
        raise InputError(
            f"cannot draw {frames} frames of {width}x{height} at {fps} fps: need >= 1, >= 8x8 and > 0"
        )
    progress, seconds = clip_times(frames, fps)
    camera = camera_track(scene, progress)
    picture = _draw_background(scene, camera, (width, height))
    for actor in scene.actors:
        _draw_actor(picture, actor, seen_track(actor_track(actor, progress, seconds), camera))
    return np.rint(picture).astype(np.uint8)


def _draw_background(scene: Scene, camera: Track, size: tuple[int, int]) -> NDArray[np.float32]:
    width, height = size
    picture = np.empty((len(camera.x), height, width, 3), np.float32)
    picture[:] = BACKGROUNDS[scene.background]
    if scene.texture is None:
        return picture
    half = min(width, height) / 2
    # A camera at rest sees one picture, so one is enough.
    seen = slice(None) if scene.camera != "static" else slice(1)
    zoom = (half * camera.size[seen])[:, None, None]
    x = (np.arange(width) + 0.5 - width / 2) / zoom + camera.x[seen, None, None]
    y = (np.arange(height) + 0.5 - height / 2)[:, None] / zoom + camera.y[seen, None, None]
    x, y = np.broadcast_arrays(x.astype(np.float32), y.astype(np.float32))
    tone = BACKDROPS[scene.texture](x, y, np.random.default_rng(scene.texture_seed))
    picture += TEXTURE_DEPTH * tone[..., None]
    return np.clip(picture, 0, 255, out=picture)


def _draw_actor(picture: NDArray[np.float32], actor: Actor, seen: Track) -> None:
    """Lay one object over (F, H, W, 3), within the box that its whole path needs."""
    height, width = picture.shape[1:3]
    half = min(width, height) / 2
    x, y, radius = (half * v for v in (seen.x, seen.y, seen.size))
    extent = REACH[actor.shape] * radius + 1.0
    left, right = (
        int(v)
        for v in np.clip([(x - extent).min() + width / 2, (x + extent).max() + width / 2 + 1], 0, width)
    )
    top, bottom = (
        int(v)
        for v in np.clip([(y - extent).min() + height / 2, (y + extent).max() + height / 2 + 1], 0, height)
    )
    if left >= right or top >= bottom:
        return
    u = ((np.arange(left, right) + 0.5 - width / 2 - x[:, None]) / radius[:, None]).astype(np.float32)[
        :, None, :
    ]
    v = ((np.arange(top, bottom) + 0.5 - height / 2 - y[:, None]) / radius[:, None]).astype(np.float32)[
        :, :, None
    ]
    cos, sin = (f(seen.angle).astype(np.float32)[:, None, None] for f in (np.cos, np.sin))
    u, v = cos * u + sin * v, cos * v - sin * u
    inside = -OUTLINES[actor.shape](u, v)
    cover = np.clip(inside * radius.astype(np.float32)[:, None, None] + 0.5, 0, 1)[..., None]
    color = np.asarray(COLORS[actor.color], np.float32)
    if actor.material is not None:
        color = SURFACES[actor.material](u, v, inside, actor.grain)[..., None] * color
        if actor.material == "glass":
            cover = cover * glass_opacity(inside)[..., None]
    box = picture[:, top:bottom, left:right]
    box += cover * (color - box)
