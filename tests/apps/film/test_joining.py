"""Shots that become one film: frame by frame, sound by sound, in the memory of a few frames."""

import tracemalloc

import numpy as np
import pytest

from apps.film.run import joined
from shared import receipts
from shared.media.picture import pixels_sha256
from shared.results import Clip, read_clip

FRAMES, HEIGHT, WIDTH, FPS = 9, 96, 128, 8.0
SHOT = FRAMES * HEIGHT * WIDTH * 3
"""Bytes of a shot's frames."""

READ_AT_ONCE = 1 << 20
"""Bytes of a file that is hashed."""


@pytest.fixture
def shots(tmp_path):
    """Writes shots of noise, and gives their files and all of their frames."""

    def make(count):
        rng = np.random.default_rng(count)
        frames = rng.integers(0, 256, (count, FRAMES, HEIGHT, WIDTH, 3), np.uint8)
        files = [Clip(one, FPS).save(tmp_path / f"{count}-{number}.mkv") for number, one in enumerate(frames)]
        return files, np.concatenate(frames)

    return make


def test_the_film_has_every_frame_of_its_shots(tmp_path, shots):
    files, frames = shots(3)
    clip = joined(files, [None] * 3, FPS)
    assert (clip.frames.shape, clip.seconds, clip.sound) == (frames.shape, 27 / FPS, None)
    assert np.array_equal(np.stack(list(clip.frames)), frames)
    path = clip.save(tmp_path / "film.mkv")
    assert np.array_equal(read_clip(path).frames, frames)
    assert receipts.verify(path).holds
    receipt = receipts.read_receipt(path)
    assert receipt["picture"] == {"frames": 27, "height": HEIGHT, "width": WIDTH, "fps": FPS}
    assert receipt["raw_frames_sha256"] == pixels_sha256(frames)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_joining_takes_no_more_memory_for_more_shots(tmp_path, shots, suffix):
    (file,), _ = shots(1)
    peaks = {}
    for count in (1, 16, 64):  # the first imports what is imported late
        tracemalloc.start()
        joined([file] * count, [None] * count, FPS).save(tmp_path / f"film-{count}{suffix}")
        peaks[count] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert abs(peaks[64] - peaks[16]) < SHOT
    assert peaks[64] < 4 * SHOT + READ_AT_ONCE
