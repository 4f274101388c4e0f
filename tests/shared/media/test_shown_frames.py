"""What a film or a picture shows is what every reader gets: shape, direction, colour, and no cover."""

import gc
import struct
import zlib
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from av.stream import Disposition
from PIL import Image, ImageCms

from shared.errors import InputError
from shared.media.film import look_through, picked
from shared.media.limits import check_pixels
from shared.media.picture import read_png
from shared.media.sound import Sound, read_sound, write_wav
from shared.media.tone import to_sdr
from shared.media.video import ShownFrames, decode, encode, picture_stream, turned


def corner(height=64, width=96, frames=3):
    """Gray frames with a red upper left quarter."""
    clip = np.full((frames, height, width, 3), 128, np.uint8)
    clip[:, : height // 2, : width // 2] = (255, 0, 0)
    return clip


def is_red(picture, row, column):
    height, width = picture.shape[:2]
    red, green, _ = picture[int(row * height), int(column * width)].astype(int)
    return red > 200 and green < 60


def set_matrix(path, matrix):
    """Write a display matrix (a, b, c, d) into an MP4's track header."""
    raw = bytearray(path.read_bytes())
    start = (
        raw.index(b"tkhd") + 4 + 4 + 20 + 8 + 8
    )  # version and flags, times and id, reserved, layer and volume
    a, b, c, d = (value * 65536 for value in matrix)
    raw[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(raw)


@pytest.mark.parametrize(
    ("matrix", "size", "row", "column"),
    [
        ((1, 0, 0, 1), (96, 64), 0.25, 0.25),
        ((-1, 0, 0, 1), (96, 64), 0.25, 0.75),  # mirrored
        ((1, 0, 0, -1), (96, 64), 0.75, 0.25),
        ((-1, 0, 0, -1), (96, 64), 0.75, 0.75),
        ((0, 1, -1, 0), (64, 96), 0.25, 0.75),  # a quarter clockwise
        ((0, -1, 1, 0), (64, 96), 0.75, 0.25),
        ((0, 1, 1, 0), (64, 96), 0.25, 0.25),  # mirrored and turned
    ],
)
def test_the_whole_display_matrix_counts(matrix, size, row, column, tmp_path):
    path = tmp_path / "film.mp4"
    encode(corner(), 8.0, path)
    set_matrix(path, matrix)
    frames, _ = decode(path)
    assert (frames.shape[2], frames.shape[1]) == size
    corners = [(r, c) for r in (0.25, 0.75) for c in (0.25, 0.75)]
    assert [place for place in corners if is_red(frames[1], *place)] == [(row, column)]
    film = look_through(path)
    assert (film.width, film.height) == size
    assert np.array_equal(next(picked(path, [1])), frames[1])


def test_pixels_that_are_not_square_are_widened(tmp_path, capsys):
    path = tmp_path / "anamorphic.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 72, 72, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(16, 9)
        for picture in corner(72, 72):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    frames, _ = decode(path)
    assert frames.shape[1:3] == (72, 128)
    assert is_red(frames[0], 0.25, 0.25) and not is_red(frames[0], 0.25, 0.75)
    assert capsys.readouterr().err.count("72x72 becomes 128x72") == 1
    assert (look_through(path).width, look_through(path).height) == (128, 72)


def hlg(level):
    """16-bit code of a gray by its HLG signal."""
    return np.full((2, 2, 3), round(level * 65535), np.uint16)


def test_reference_white_of_hlg_and_of_pq_is_white():
    assert abs(int(to_sdr(hlg(0.75), "HLG").mean()) - 250) <= 6
    assert abs(int(to_sdr(hlg(0.58), "PQ").mean()) - 250) <= 6
    assert to_sdr(hlg(0.0), "HLG").max() == 0 and to_sdr(hlg(1.0), "HLG").min() >= 253


@pytest.mark.parametrize("transfer", ["HLG", "PQ"])
def test_tone_mapping_keeps_the_order_of_grays_and_their_neutrality(transfer):
    grays = np.array([to_sdr(hlg(level), transfer)[0, 0] for level in np.linspace(0, 1, 33)], int)
    assert (np.diff(grays[:, 0]) >= 0).all()
    assert np.ptp(grays, axis=1).max() <= 1


def test_a_film_in_hlg_is_mapped_and_said(tmp_path, capsys):
    path = tmp_path / "hlg.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=8)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p10le"
        stream.codec_context.color_trc, stream.codec_context.color_primaries = 18, 9
        stream.codec_context.colorspace = 9
        for _ in range(2):
            frame = av.VideoFrame(32, 32, "yuv420p10le")
            for plane, level in zip(frame.planes, (64 + round(0.75 * 876), 512, 512), strict=True):
                plane.update(np.full(plane.buffer_size // 2, level, np.uint16).tobytes())
            frame.color_trc, frame.color_primaries, frame.colorspace = 18, 9, 9
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    frames, _ = decode(path)
    assert abs(frames.mean() - 250) <= 6
    assert "HLG is mapped" in capsys.readouterr().err


def test_a_cover_is_no_film():
    cover = SimpleNamespace(disposition=Disposition.attached_pic)
    film = SimpleNamespace(disposition=Disposition.default)
    streams = SimpleNamespace(video=[cover, film], audio=[])
    assert picture_stream(SimpleNamespace(streams=streams), "film.mp4") is film
    alone = SimpleNamespace(video=[cover], audio=["sound"])
    with pytest.raises(InputError, match=r"podcast\.mp4 has no picture: it holds audio alone"):
        picture_stream(SimpleNamespace(streams=alone), "podcast.mp4")


def test_a_size_that_changes_midway_is_refused():
    stream = SimpleNamespace(
        disposition=Disposition.default, sample_aspect_ratio=None, width=96, height=64, frames=2
    )
    frames = [SimpleNamespace(width=96, height=64), SimpleNamespace(width=128, height=96)]
    container = SimpleNamespace(
        streams=SimpleNamespace(video=[stream], audio=[]), duration=None, decode=lambda _: iter(frames)
    )
    with pytest.raises(InputError, match="from 96x64 to 128x96"):
        list(ShownFrames(container, "film.mp4"))


def test_no_decoder_outlives_its_film(tmp_path):
    """A decoder's threads that wait for the garbage collector hang the first process that is forked."""
    path = tmp_path / "film.mp4"
    encode(corner(), 8.0, path)
    gc.collect()
    gc.disable()
    try:
        before = threading_count()
        decode(path)
        next(picked(path, [0]))
        assert threading_count() <= before
    finally:
        gc.enable()


def threading_count():
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.is_dir() else 0


def test_turning_back_is_the_identity():
    picture = corner()[0]
    quarter = np.array([[0, -1], [1, 0]])
    assert np.array_equal(turned(turned(picture, quarter), quarter.T), picture)


@pytest.mark.parametrize("channels", [1, 2, 4, 6, 7, 8, 12, 16])
def test_any_number_of_channels_is_read(channels, tmp_path):
    waveform = np.random.default_rng(0).uniform(-0.5, 0.5, (channels, 800)).astype(np.float32)
    path = write_wav(Sound(waveform, 8000), tmp_path / "sound.wav")
    found = read_sound(path)
    assert found.waveform.shape == (channels, 800)
    assert np.allclose(found.waveform, waveform, atol=1e-6)


# Still pictures


def display_p3():
    """A small ICC profile: the primaries of Display P3 and a gamma of 2.2."""

    def fixed(*values):
        return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))

    name = b"Display P3\0"
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(name)) + name + bytes(78),
        b"wtpt": b"XYZ " + bytes(4) + fixed(0.9642, 1.0, 0.8249),
        b"rXYZ": b"XYZ " + bytes(4) + fixed(0.5151, 0.2412, -0.0011),
        b"gXYZ": b"XYZ " + bytes(4) + fixed(0.2920, 0.6922, 0.0419),
        b"bXYZ": b"XYZ " + bytes(4) + fixed(0.1571, 0.0666, 0.7841),
        **dict.fromkeys(
            (b"rTRC", b"gTRC", b"bTRC"), b"curv" + bytes(4) + struct.pack(">IH", 1, 563) + bytes(2)
        ),
    }
    table, data = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for key, value in tags.items():
        value += bytes(-len(value) % 4)
        table += key + struct.pack(">II", start + len(data), len(value))
        data += value
    size = start + len(data)
    head = (
        struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02400000, b"mntr", b"RGB ", b"XYZ ")
        + bytes(12)
        + b"acsp"
    )
    head = head.ljust(68, b"\0") + fixed(0.9642, 1.0, 0.8249)
    return head.ljust(128, b"\0") + table + data


def saved(path, profile):
    Image.new("RGB", (32, 32), (200, 60, 60)).save(path, icc_profile=profile)
    return path


def test_colours_of_another_profile_become_srgb(tmp_path):
    said = []
    red, green, _ = read_png(saved(tmp_path / "p3.png", display_p3()), said.append)[0, 0].astype(int)
    assert red >= 210 and green <= 50  # what P3 calls a red is a stronger one in sRGB
    assert said == ["p3.png: colours of Display P3 become sRGB"]


def test_srgb_stays_and_a_damaged_profile_is_said(tmp_path):
    said = []
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert tuple(read_png(saved(tmp_path / "srgb.png", srgb), said.append)[0, 0]) == (200, 60, 60)
    assert said == []
    assert tuple(read_png(saved(tmp_path / "odd.png", b"no profile"), said.append)[0, 0]) == (200, 60, 60)
    assert "cannot be read" in said[0]


def test_float_levels_are_scaled_and_said(tmp_path):
    ramp = np.linspace(0, 1, 64, dtype=np.float32)[None].repeat(64, 0)
    said = []
    for name, levels in (("unit.tif", ramp), ("wide.tif", ramp * 500 - 100)):
        Image.fromarray(levels, mode="F").save(tmp_path / name)
        read = read_png(tmp_path / name, said.append)
        assert (
            read[0, 0, 0] == 0 and read[0, -1, 0] == 255 and (np.diff(read[0, :, 0].astype(int)) >= 0).all()
        )
    assert "from 0 to 1" in said[0] and "from -100 to 400" in said[1]


@pytest.mark.parametrize(("width", "height"), [(1, 160_000_000), (13_000, 13_000), (20_000, 10)])
def test_a_picture_that_declares_too_many_pixels_is_refused(width, height, tmp_path):
    with pytest.raises(InputError, match=f"{width}x{height}"):
        check_pixels(tmp_path / "bomb.png", width, height)


def test_a_small_file_that_declares_a_large_picture_is_never_decoded(tmp_path):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 160_000_000, 8, 0, 0, 0, 0)
    path = tmp_path / "bomb.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )
    with pytest.raises(InputError, match=r"too large|million pixels"):
        read_png(path)
