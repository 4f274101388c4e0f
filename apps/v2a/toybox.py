"""The toybox's sounds as the recipes see them: pictures at many rates, captions in many wordings."""

from __future__ import annotations

import numpy as np

from apps.v2a.conditioning.captions import NONE, merged
from apps.v2a.conditioning.sampled_frames import SampledFrames, squeezed
from shared.toybox.scenes.sampling import pick
from shared.toybox.sounds.captions import caption_music, caption_sound
from shared.toybox.sounds.sound import FPS, SoundFacts, ToySound

RATES = (8.0, 12.0, 15.0, 16.0, 24000 / 1001, 24.0, 30000 / 1001, 30.0, 60.0)
"""Frames a second that clips come at beside the toybox's own."""

OWN_RATE = 0.5
"""Share of training clips at the toybox's own rate."""

MATERIAL, STRUCTURED, MUSIC, SPEECH = 0.5, 0.5, 0.9, 0.3
"""Shares of captions that name the material; of those without music, and with it, that have named parts; and of those
that also say that nobody speaks."""


def seen(toy: ToySound, fps: float, sides: tuple[int, ...]) -> SampledFrames:
    """A clip as encoders see it when it was filmed at a rate."""
    frames = toy.render(fps)
    times = np.arange(len(frames)) / fps
    return SampledFrames(
        toy.seconds,
        {side: np.stack([squeezed(frame, side) for frame in frames]) for side in sides},
        dict.fromkeys(sides, times),
    )


def training_rate(seed: int) -> float:
    """The rate that a training clip was filmed at."""
    rng = np.random.default_rng([seed, 250])
    return FPS if rng.random() < OWN_RATE else pick(rng, RATES)


def caption(facts: SoundFacts, seed: int, variant: int) -> str:
    """One of a clip's captions: 0 is plain and names the material, every other number is another wording."""
    if variant == 0:
        return caption_sound(facts)
    rng = np.random.default_rng([seed, variant, 251])
    sound = caption_sound(facts, rng, material=bool(rng.random() < MATERIAL))
    if rng.random() > (MUSIC if facts.music is not None else STRUCTURED):
        return sound
    music = NONE if facts.music is None else caption_music(facts.music, rng)
    return merged(sound, music, NONE if rng.random() < SPEECH and not facts.speech else None)
