"""A sound to look at: its spectrogram, below the frames of the film that it belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from shared.media.film import look_through, picked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared.media.sound import Sound

    Picture = NDArray[np.uint8]

WIDTH, HEIGHT = 800, 200
"""Pixels of the spectrogram."""

FRAMES = 10
"""Of the film, side by side above it."""

SCALE = 14
"""Pixels of the line of times below it."""

DEPTH = 70.0
"""Decibels below the loudest that are still told apart."""

SILENT = 1e-3
"""Power below which nothing counts as loud; librosa knows none below 1e-10."""

LOWEST, BANDS = 40.0, 100
"""Hz, and how many mel bands there are from there up to half the sample rate."""

COLOURS = ((10, 8, 20), (60, 20, 90), (170, 45, 80), (240, 120, 40), (255, 245, 190))
"""From silence to the loudest."""


def sound_sheet(sound: Sound, film: Path | None = None) -> Picture:
    """A picture of a sound, time from left to right, with the film's frames above it at their times.

    Args:
        sound: any.
        film: the film that it belongs to.

    Returns:
        (H, WIDTH, 3) uint8.

    Raises:
        InputError: the film is damaged, or has no picture.
    """
    parts = [spectrogram(sound), _times(sound.seconds)]
    if film is not None:
        parts.insert(0, _strip(film, sound.seconds))
    return np.concatenate(parts)


def spectrogram(sound: Sound) -> Picture:
    """Levels of mel bands in decibels below the loudest, low ones at the bottom: (HEIGHT, WIDTH, 3) uint8."""
    import librosa

    rate, hop = sound.sample_rate, max(1, sound.waveform.shape[1] // WIDTH)
    power = librosa.feature.melspectrogram(
        y=sound.mono, sr=rate, n_fft=1024, hop_length=hop, n_mels=BANDS, fmin=LOWEST
    )
    level = librosa.power_to_db(power, ref=max(float(power.max()), SILENT), top_db=DEPTH)  # (BANDS, T)
    shade = np.clip(level / DEPTH + 1, 0, 1)[::-1] * (len(COLOURS) - 1)
    anchors = np.arange(len(COLOURS))
    colours = np.stack([np.interp(shade, anchors, channel) for channel in zip(*COLOURS, strict=True)], -1)
    return np.asarray(
        Image.fromarray(colours.round().astype(np.uint8)).resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
    )


def _strip(film: Path, seconds: float) -> Picture:
    """Frames of a film, each what stands on the screen in the middle of its share of the time."""
    about = look_through(film)
    moments = (np.arange(FRAMES) + 0.5) / FRAMES * seconds
    shown = np.clip(np.searchsorted(about.times, moments, side="right") - 1, 0, None)
    width = WIDTH // FRAMES
    size = width, max(1, round(width * about.height / about.width))
    enlarged = Image.Resampling.NEAREST if about.width < width else Image.Resampling.LANCZOS
    tiles = [Image.fromarray(frame).resize(size, enlarged) for frame in picked(film, shown.tolist())]
    return np.concatenate([np.asarray(tile) for tile in tiles], axis=1)


def _times(seconds: float) -> Picture:
    """The line of times, one for each frame that stands above."""
    line = Image.new("RGB", (WIDTH, SCALE), (24, 24, 24))
    pen, width = ImageDraw.Draw(line), WIDTH // FRAMES
    for number in range(FRAMES):
        pen.line([(number * width, 0), (number * width, 3)], fill=(200, 200, 200))
        pen.text((number * width + 3, 1), f"{number / FRAMES * seconds:.2f} s", fill=(200, 200, 200))
    return np.asarray(line)
