"""Films looked through without holding them, and media that were filmed on their side."""

import struct

import numpy as np
import pytest
from PIL import Image

from shared.errors import InputError
from shared.media import film as film_module
from shared.media.film import last_frame, look_through, picked
from shared.media.picture import covering, read_png
from shared.media.video import ShownFrames, decode, encode

UPRIGHT = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
QUARTER_TURN = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
"""Display matrices of a track's header (ISO 14496-12); the second turns clockwise, as phones write it."""


@pytest.fixture
def frames():
    """Nine frames, each of one gray that is its own, the left half black."""
    made = np.zeros((9, 32, 48, 3), np.uint8)
    made[:, :, 24:] = np.arange(40, 220, 20, np.uint8)[:, None, None, None]
    return made


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.gif"])
def test_a_film_tells_when_each_frame_comes(frames, tmp_path, name):
    encode(frames, 8.0, tmp_path / name)
    film = look_through(tmp_path / name)
    assert (film.height, film.width) == (32, 48)
    assert film.times == pytest.approx(np.arange(9) / 8, abs=0.01)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.gif"])
def test_the_last_frame_is_that_of_the_whole_film(frames, tmp_path, name):
    encode(frames, 8.0, tmp_path / name)
    assert np.array_equal(last_frame(tmp_path / name), decode(tmp_path / name)[0][-1])


def test_the_last_frame_of_a_long_film_costs_its_end_alone(frames, tmp_path, monkeypatch):
    encode(np.tile(frames, (33, 1, 1, 1)), 8.0, tmp_path / "clip.mkv")
    drawn = []
    monkeypatch.setattr(film_module, "ShownFrames", counting(drawn))
    last_frame(tmp_path / "clip.mkv")
    assert len(drawn) < 60  # of 297: Matroska has an entry in its index every 5 seconds


def counting(drawn):
    """Notes every frame that is decoded."""

    class Counting(ShownFrames):
        def __iter__(self):
            for frame in super().__iter__():
                drawn.append(frame.pts)
                yield frame

    return Counting


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.gif"])
def test_picked_frames_are_those_that_were_asked_for(frames, tmp_path, name):
    encode(frames, 8.0, tmp_path / name)
    one, twice, again, last = picked(tmp_path / name, [0, 3, 3, 8])
    assert np.array_equal(twice, again)
    for picture, index in ((one, 0), (twice, 3), (last, 8)):
        assert np.abs(picture[:, 30:].astype(int) - frames[index, :, 30:]).max() <= 6


def test_a_frame_behind_the_end_is_refused(frames, tmp_path):
    encode(frames, 8.0, tmp_path / "clip.mkv")
    with pytest.raises(InputError, match="ends before frame 9"):
        list(picked(tmp_path / "clip.mkv", [0, 9]))


def test_a_film_cut_short_is_refused(frames, tmp_path):
    encode(frames, 8.0, tmp_path / "clip.mp4")
    (tmp_path / "clip.mp4").write_bytes((tmp_path / "clip.mp4").read_bytes()[:-200])
    with pytest.raises(InputError, match="cannot be read as a film"):
        look_through(tmp_path / "clip.mp4")


def test_a_film_of_a_phone_held_upright_is_turned(frames, tmp_path):
    path = tmp_path / "phone.mp4"
    encode(frames, 8.0, path)
    data = path.read_bytes()
    header = data.index(b"tkhd")
    matrix = data.index(UPRIGHT, header)
    path.write_bytes(data[:matrix] + QUARTER_TURN + data[matrix + len(UPRIGHT) :])
    film, shown = look_through(path), decode(path)[0]
    assert (film.height, film.width) == shown.shape[1:3] == (48, 32)
    assert shown[8, :20].max() < 20  # the left half went to the top
    assert shown[8, 28:].min() > 180


def test_a_photo_of_a_phone_held_upright_is_turned(tmp_path):
    picture = Image.fromarray(np.arange(32 * 48 * 3, dtype=np.uint8).reshape(32, 48, 3))
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: the top is at the right
    picture.save(tmp_path / "photo.png", exif=exif)
    assert np.array_equal(read_png(tmp_path / "photo.png"), np.rot90(np.asarray(picture), -1))


def test_a_covering_picture_keeps_the_middle_and_its_proportions():
    picture = np.zeros((40, 120, 3), np.uint8)
    picture[:, 40:80] = 200
    assert covering(picture, 20, 20).shape == (20, 20, 3)
    assert covering(picture, 20, 20)[:, 2:-2].min() > 180
    assert np.array_equal(covering(picture, 40, 120), picture)
