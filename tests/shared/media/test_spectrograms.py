"""What the picture of a sound shows, and when."""

import numpy as np
import pytest

from shared.media.sound import Sound
from shared.media.spectrogram import FRAMES, HEIGHT, SCALE, WIDTH, sound_sheet, spectrogram
from shared.media.video import encode

RATE = 16_000


def tone(hertz, begins=0.0, seconds=2.0):
    time = np.arange(round(seconds * RATE)) / RATE
    return Sound((0.5 * np.sin(2 * np.pi * hertz * time) * (time >= begins)).astype(np.float32)[None], RATE)


def brightness(picture):
    return picture.astype(float).sum(axis=-1)


def test_high_tones_stand_above_low_ones():
    low, high = (brightness(spectrogram(tone(hertz))).mean(axis=1).argmax() for hertz in (200, 4000))
    assert high < HEIGHT / 2 < low


@pytest.mark.parametrize("begins", [0.5, 1.5])
def test_a_tone_begins_where_it_is_heard_to(begins):
    columns = brightness(spectrogram(tone(1000, begins))).mean(axis=0)
    first = int(np.argmax(columns > columns.max() / 2))
    assert first / WIDTH == pytest.approx(begins / 2, abs=0.03)


def test_silence_is_dark():
    assert spectrogram(Sound(np.zeros((1, RATE), np.float32), RATE)).max() < 100


def test_the_films_frames_stand_above_their_moments(tmp_path):
    frames = np.repeat(np.arange(20, dtype=np.uint8)[:, None, None, None] * 12, 32, axis=1)
    frames = np.broadcast_to(frames, (20, 32, 48, 3)).copy()
    film = tmp_path / "film.mkv"
    encode(frames, 10.0, film)
    sheet = sound_sheet(tone(1000), film)
    strip = len(sheet) - HEIGHT - SCALE
    tiles = sheet[:strip].reshape(strip, FRAMES, WIDTH // FRAMES, 3).mean(axis=(0, 2, 3))
    assert np.abs(tiles - 12 * (2 * np.arange(FRAMES) + 1)).max() <= 2
    assert len(sound_sheet(tone(1000))) == HEIGHT + SCALE
