"""Clips with sound: what is seen is heard at the moment when it happens, over a faint hum, with or without music.

Impacts ring as their material does (`impacts`), objects that roll or rush by make noise as fast as they move, and
music is soft (`music`). Everything is mono and free of speech, and follows from a seed; clips of a minute are fine.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shared.errors import InputError
from shared.toybox.scenes.sampling import Split, pick, sample_scene
from shared.toybox.scenes.scene import Actor, Scene, render_scene
from shared.toybox.scenes.vocabulary import MOTIONS
from shared.toybox.sounds.impacts import (
    GRID,
    SAMPLE_RATE,
    TRACK_RATE,
    VOICES,
    Samples,
    band_noise,
    impact,
    impacts,
    motion_speed,
    scene_events,
)
from shared.toybox.sounds.music import Music, play, sample_music

FPS = 25.0

BOUNCES, MATERIALS, MUSIC = 0.8, 0.85, 0.3
"""Shares of clips with impacts, of clips whose object has a material, and of clips with music."""

PERIODS = (0.7, 1.5)
"""Seconds from one landing to the next."""

MARGIN = 0.1
"""Seconds at both ends of a clip in which nothing lands, so that every impact can be heard to begin and ring."""

IMPACT_LEVEL, ROLL_LEVEL, WHOOSH_LEVEL, MUSIC_LEVEL = 0.5, 0.015, 0.012, 0.05
"""Peak of an impact at a speed of 4, and root mean squares of the rest."""

HUM_LEVELS = (3e-4, 7e-4)
"""Root mean square of the hum: below -60 dB of full scale."""

FADE = 0.15
"""Seconds in which noise comes and goes at the ends of a clip."""

ROLLING = frozenset({"left", "right"})
APPROACHING = frozenset({"grow", "shrink"})


@dataclass(frozen=True)
class SoundFacts:
    """What is heard.

    Attributes:
        events: seconds of the impacts, each with its event on screen.
        material: of the object; None for a plain one.
        motion: of the object.
        shape: of the object.
        music: what is played; None for no music.
        speech: whether anyone speaks; nobody does.
    """

    events: tuple[float, ...]
    material: str | None
    motion: str
    shape: str
    music: Music | None = None
    speech: bool = False


@dataclass(frozen=True, eq=False)
class ToySound:
    """A scene with its sound.

    Attributes:
        scene: what is seen; one object.
        seconds: duration.
        effects: (N,) float32 in [-1, 1] at `SAMPLE_RATE`: everything but the music.
        accompaniment: (N,) float32: the music, zeros where there is none.
        music: what is played.
        seed: the number that it was made from.
    """

    scene: Scene
    seconds: float
    effects: NDArray[np.float32]
    accompaniment: NDArray[np.float32]
    music: Music | None
    seed: int

    @property
    def waveform(self) -> NDArray[np.float32]:
        """All of it, (N,) float32 in [-1, 1]."""
        return np.clip(self.effects + self.accompaniment, -1, 1)

    @cached_property
    def frames(self) -> NDArray[np.uint8]:
        """(F, 64, 64, 3) uint8 at `FPS`."""
        return self.render()

    def render(self, fps: float = FPS, size: int | tuple[int, int] = 64) -> NDArray[np.uint8]:
        """The picture at any rate and size, (F, H, W, 3) uint8."""
        return render_scene(self.scene, max(round(self.seconds * fps), 1), size, fps)

    @property
    def facts(self) -> SoundFacts:
        """What is heard."""
        actor = self.scene.actors[0]
        times = tuple(event.seconds for event in scene_events(self.scene, self.seconds))
        return SoundFacts(times, actor.material, actor.motion, actor.shape, self.music)


def toy_sound(seed: int, split: Split = "train", seconds: float = 4.0, music: bool | None = None) -> ToySound:
    """The clip that belongs to (seed, split, seconds).

    Args:
        seed: 0 or more.
        split: `heldout` shows combinations that `train` never does.
        seconds: duration, 0.5 or more.
        music: whether there is any; None draws.

    Raises:
        InputError: a number outside the ranges above, or an unknown split.
    """
    if seed < 0 or not 0.5 <= seconds < np.inf:
        raise InputError(f"no sound for seed {seed} and {seconds} s: need a seed >= 0 and 0.5 s or more")
    rng = np.random.default_rng([seed, split == "heldout", 25])
    motion = "bounce" if rng.random() < BOUNCES else pick(rng, [m for m in MOTIONS if m != "bounce"])
    has_material = bool(rng.random() < MATERIALS)
    scene = sample_scene(rng, split=split, actors=1, material=has_material, motion=motion)
    scene = replace(scene, actors=(_settled(rng, scene.actors[0], seconds),))
    drawn = rng.random() < MUSIC
    tune = sample_music(rng) if (drawn if music is None else music) else None
    length = round(seconds * SAMPLE_RATE)
    effects = sound_of(scene, seconds, rng)
    level = MUSIC_LEVEL * rng.uniform(0.5, 1.0)
    played = np.zeros(length) if tune is None else level * play(tune, length)
    return ToySound(scene, seconds, effects, played.astype(np.float32), tune, seed)


def sound_of(scene: Scene, seconds: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """What a scene sounds like, without music: (round(seconds * SAMPLE_RATE),) float32 in [-1, 1].

    Args:
        scene: any scene.
        seconds: duration.
        rng: draws the noise and the level of the hum.
    """
    length = round(seconds * SAMPLE_RATE)
    track = hum(length, rng.uniform(*HUM_LEVELS), int(rng.integers(SAMPLE_RATE)))
    events = scene_events(scene, seconds)
    for index, actor in enumerate(scene.actors):
        own = [event for event in events if event.actor == index]
        if own:
            levels = IMPACT_LEVEL * np.sqrt(np.array([event.speed for event in own]) / 4.0)
            times = np.array([event.seconds for event in own])
            track += impacts(impact(actor.material, actor.size), times, levels, length)
        elif actor.motion != "bounce":
            track += _noise(actor, seconds, length, rng)
    return np.clip(track, -1, 1).astype(np.float32)


def hum(length: int, level: float, phase: int = 0) -> Samples:
    """A room's faint hum with as much of every frequency, so that quiet is not the same as nothing: (length,).

    Its partials are the multiples of `GRID`, at phases that keep its peaks low (Schroeder 1970).
    """
    period = round(SAMPLE_RATE / GRID)
    partials = np.arange(1, period // 2)
    phases = np.pi * partials**2 / len(partials)
    turns = 2 * np.pi * np.outer(np.arange(period) / period, partials)
    wave = np.cos(turns - phases).sum(axis=1)
    return level * np.resize(np.roll(wave / wave.std(), phase), length)


def _settled(rng: np.random.Generator, actor: Actor, seconds: float) -> Actor:
    """A bouncing object with a period of this world's own, that lands within the margins only."""
    while actor.motion == "bounce":
        actor = replace(actor, period=float(rng.uniform(*PERIODS)), phase=float(rng.random()))
        landings = [event.seconds for event in scene_events(Scene((actor,), "gray"), seconds)]
        if all(MARGIN <= time <= seconds - MARGIN for time in landings):
            break
    return actor


def _noise(actor: Actor, seconds: float, length: int, rng: np.random.Generator) -> Samples:
    """Rolling sounds as the material does, rushing as air does: higher and louder the faster it goes."""
    speed = motion_speed(actor, seconds)
    pulse = np.ones_like(speed)
    time = np.arange(len(speed)) / TRACK_RATE
    if actor.motion in ("orbit", "spin"):
        pulse = 1.0 + 0.7 * np.cos(2 * np.pi * (actor.turn * time / actor.period + actor.phase))
    elif actor.motion in APPROACHING:
        pulse = np.linspace(*((0.5, 1.5) if actor.motion == "grow" else (1.5, 0.5)), len(speed))
    swing = np.interp(np.arange(length) / SAMPLE_RATE, time, pulse * np.sqrt(speed / speed.mean()))
    edges = np.arange(length) / SAMPLE_RATE
    swing *= np.sin(np.pi / 2 * np.clip(np.minimum(edges, seconds - edges) / FADE, 0, 1)) ** 2
    if actor.motion in ROLLING:
        return ROLL_LEVEL * swing * band_noise(rng, length, VOICES[actor.material].rolling, 0.7)
    low, high = band_noise(rng, length, 900, 0.6), band_noise(rng, length, 2200, 0.6)
    share = np.clip(swing / 2, 0, 1)
    return WHOOSH_LEVEL * swing * (np.sqrt(1 - share) * low + np.sqrt(share) * high)
