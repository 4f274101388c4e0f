"""What happens in a scene that can be heard: when objects hit something, and how fast they move."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.toybox.scenes import Actor, Scene, actor_track

TRACK_RATE = 100.0
"""Places a second at which speeds are measured."""


@dataclass(frozen=True)
class Event:
    """An impact on screen.

    Attributes:
        seconds: when.
        actor: which of the scene's objects.
        speed: of the object as it hits, in halves of the picture's shorter side a second.
    """

    seconds: float
    actor: int
    speed: float


def scene_events(scene: Scene, seconds: float) -> tuple[Event, ...]:
    """Every landing of a bouncing object from the scene's beginning until `seconds`, in order of time."""
    events = []
    for index, actor in enumerate(scene.actors):
        if actor.motion == "bounce":
            speed = 4.0 * actor.travel / actor.period  # the slope of its parabola where it meets the ground
            landings = np.arange(np.ceil(actor.phase), seconds / actor.period + actor.phase)
            events += [Event(float((n - actor.phase) * actor.period), index, speed) for n in landings]
    return tuple(sorted(events, key=lambda event: event.seconds))


def motion_speed(actor: Actor, seconds: float) -> NDArray[np.float64]:
    """How fast an object moves, turns and grows together, `TRACK_RATE` times a second over a clip.

    Returns:
        (round(seconds * TRACK_RATE),), at least one, in halves of the picture's shorter side a second.
    """
    count = max(round(seconds * TRACK_RATE), 1) + 1
    track = actor_track(actor, np.linspace(0, 1, count), np.linspace(0, seconds, count))
    steps = [np.diff(track.x), np.diff(track.y), np.diff(track.size), track.size[1:] * np.diff(track.angle)]
    return np.sqrt(np.sum(np.square(steps), axis=0)) * (count - 1) / max(seconds, 1e-9)
