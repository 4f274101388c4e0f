"""Every length and rate of the sound model follows from one record."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.errors import ConfigError

Times = NDArray[np.float64]

EARLY = 1e-4
"""Seconds by which a frame may come after its moment and still count as there: containers round their times."""


@dataclass(frozen=True)
class AudioLayout:
    """How seconds, samples, tokens and pictures belong together.

    Attributes:
        sample_rate: of the waveform, in Hz.
        samples_per_token: of one frame of the codec's latents, which is one token.
        window: tokens of the sounds that the model was trained on; longer ones are made in windows.
        overlap: tokens that neighbouring windows share at least.
        clip_fps: pictures a second that CLIP sees (paper, "Audio Generation based on Video": 4).
        sync_fps: pictures a second that the synchronisation encoder sees.

    Raises:
        ConfigError: a number that is not above 0, or an overlap of more than half a window.
    """

    sample_rate: int = 16_000
    samples_per_token: int = 512
    window: int = 125
    overlap: int = 31
    clip_fps: float = 4.0
    sync_fps: float = 25.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ConfigError(f"layout: {name} must be above 0, not {value}")
        if 2 * self.overlap > self.window:
            raise ConfigError(
                f"layout: windows of {self.window} tokens overlap by half at most, not by {self.overlap}"
            )

    @property
    def token_rate(self) -> float:
        """Tokens a second."""
        return self.sample_rate / self.samples_per_token

    @property
    def window_seconds(self) -> float:
        """Duration of the sounds that the model was trained on."""
        return self.window / self.token_rate

    def samples(self, seconds: float) -> int:
        """Samples of a sound of that duration, to the nearest; at least 1."""
        return max(1, math.floor(seconds * self.sample_rate + 0.5))

    def tokens(self, seconds: float) -> int:
        """Tokens that cover a sound of that duration."""
        return math.ceil(self.samples(seconds) / self.samples_per_token)

    def token_times(self, tokens: int) -> Times:
        """The middle of each token, in seconds."""
        return (np.arange(tokens, dtype=np.float64) + 0.5) / self.token_rate

    def windows(self, tokens: int) -> tuple[slice, ...]:
        """Windows that cover so many tokens: one, or evenly spread ones of full length."""
        if tokens <= self.window:
            return (slice(0, tokens),)
        count = math.ceil((tokens - self.overlap) / (self.window - self.overlap))
        starts = np.linspace(0, tokens - self.window, count).round().astype(int)
        return tuple(slice(int(start), int(start) + self.window) for start in starts)


def sample_times(seconds: float, fps: float) -> Times:
    """When an encoder looks at a picture that lasts so long; at least once, and never after its end."""
    return np.arange(max(1, math.ceil(seconds * fps - 1e-6))) / fps


def shown_at(times: Sequence[float] | Times, asked: Times) -> NDArray[np.intp]:
    """Which frame stands on the screen at each moment: the last that came by then, whatever their rhythm.

    Args:
        times: (F,) seconds at which frames come, rising, the first at 0.
        asked: (N,) moments.
    """
    return np.searchsorted(np.asarray(times), asked + EARLY, side="right").clip(1) - 1
