"""A picture that is copied beside a new sound shows what it showed: every codec, every container, every frame."""

import resource
import struct
from contextlib import contextmanager
from fractions import Fraction

import av
import numpy as np
import pytest

from shared.errors import InputError, ResourceError
from shared.media.muxing import SUFFIXES, check_copy
from shared.media.sound import Sound, write_wav
from shared.media.video import decode, opened
from shared.results import Clip
from shared.results.soundtrack import Soundtrack

HEIGHT, WIDTH, FPS, COUNT = 144, 176, 25, 12
SOURCES = (".mp4", ".mov", ".m4v", ".mkv", ".webm")
HARDWARE = ("_amf", "_nvenc", "_qsv", "_v4l2m2m")
NOT_A_CODEC = ("vnull", "wrapped_avframe")
SILENCE = Sound(np.zeros((1, 8000), np.float32), 16_000)


def encoders(kind):
    """The names of what this FFmpeg encodes in software."""
    for name in sorted(av.codecs_available - {*NOT_A_CODEC}):
        if not name.endswith(HARDWARE):
            try:
                codec = av.codec.Codec(name, "w")
            except ValueError:
                continue
            if codec.type == kind:
                yield name


def pictures(count=COUNT):
    tiles = np.random.default_rng(0).integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3))
    picture = np.kron(tiles, np.ones((8, 8, 1))).astype(np.uint8)
    return [np.roll(picture, 4 * index, 1) for index in range(count)]


def film(path, codec, options=None, tag=None, count=COUNT, sound=None):
    """A film with a moving picture; with frames out of order where the codec can."""
    formats = av.codec.Codec(codec, "w").video_formats
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS, options=options or {"strict": "experimental"})
        stream.height, stream.width = HEIGHT, WIDTH
        stream.pix_fmt = formats[0].name if formats else "yuv420p"
        if codec.startswith("mpeg"):
            stream.codec_context.max_b_frames = 2
        if tag is not None:
            stream.codec_context.codec_tag = tag
        track = None if sound is None else container.add_stream(sound, rate=48_000, layout="mono")
        for index, picture in enumerate(pictures(count)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        if track is not None:
            heard = np.zeros((1, 48_000 * count // FPS), np.int16)
            frame = av.AudioFrame.from_ndarray(heard, format="s16", layout="mono")
            frame.sample_rate = 48_000
            container.mux(track.encode(frame))
            container.mux(track.encode(None))
        container.mux(stream.encode(None))
    return path


def starts(path):
    """Seconds at which the first frame comes and the new sound begins."""
    with av.open(str(path)) as container:
        picture, sound = container.streams.video[0], container.streams.audio[-1]
        return [float(stream.start_time * stream.time_base) for stream in (picture, sound)]


def accepted(source, *suffixes, keep=False):
    """The kind of file that takes a film's picture."""
    with opened(source) as container:
        return check_copy(container, source, suffixes, keep)


def assert_same_frames(source, folder, suffix, **how):
    made = Soundtrack(SILENCE, film=source, **how).save(folder / f"made{suffix}")
    assert np.array_equal(decode(made)[0], decode(source)[0])
    return made


@pytest.mark.parametrize("codec", encoders("video"))
def test_every_codec_that_is_accepted_shows_every_frame(tmp_path, codec):
    for before in SOURCES:
        try:
            source = film(tmp_path / f"{codec}{before}", codec)
            decode(source)
        except (av.error.FFmpegError, ValueError, InputError):
            continue  # the container does not hold it
        for after in SUFFIXES:
            try:
                assert accepted(source, after) == after
            except InputError as error:
                assert "cannot be copied" in str(error)
                continue
            assert_same_frames(source, tmp_path, after)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("before", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("after", SUFFIXES)
def test_frames_out_of_order_keep_their_times(tmp_path, codec, before, after):
    source = film(tmp_path / f"source{before}", codec, {"bf": "4", "b-pyramid": "normal"}, count=40)
    made = assert_same_frames(source, tmp_path, after)
    with av.open(str(made)) as new, av.open(str(source)) as old:
        times = [[frame.time for frame in container.decode(video=0)] for container in (new, old)]
    assert np.allclose(*times, atol=1e-3)
    assert starts(made) == pytest.approx([0, 0], abs=1e-3)


@pytest.mark.parametrize("tag", ["hvc1", "hev1"])
def test_the_name_of_the_codec_is_kept(tmp_path, tag):
    for before in (".mov", ".mp4"):
        source = film(tmp_path / f"source{before}", "libx265", tag=tag)
        with av.open(str(assert_same_frames(source, tmp_path, ".mp4"))) as container:
            assert container.streams.video[0].codec_context.codec_tag == tag


def edited(path, begin, seconds):
    """Let the edit list of a film's picture begin so many frames in, and last so long."""
    data = bytearray(path.read_bytes())
    entry = data.index(b"elst") + 12
    units = struct.unpack_from(">I", data, data.index(b"mvhd") + 16)[0]
    ticks = struct.unpack_from(">I", data, data.index(b"mdhd") + 16)[0]
    _, now = struct.unpack_from(">Ii", data, entry)
    struct.pack_into(">Ii", data, entry, round(seconds * units), now + begin * ticks // FPS)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("begin", "count"), [(7, 33), (0, 20), (9, 11)])
@pytest.mark.parametrize("keep", [False, True])
def test_what_an_edit_list_hides_stays_hidden(tmp_path, capsys, begin, count, keep):
    source = film(tmp_path / "source.mp4", "libx264", {"g": "40"}, count=40, sound="aac" if keep else None)
    edited(source, begin, count / FPS)
    shown = decode(source)[0]
    assert len(shown) == count
    made = assert_same_frames(source, tmp_path, ".mkv", keep=keep)
    assert starts(made)[0] == pytest.approx(starts(made)[1], abs=2e-3)
    assert f"{source}: its edit list hides" in capsys.readouterr().err
    made = Soundtrack(SILENCE, film=source, keep=keep).save(tmp_path / "made.mp4")
    again = decode(made)[0]
    assert again.shape == shown.shape
    if "encoded anew" in capsys.readouterr().err:
        assert np.abs(again.astype(int) - shown).mean() < 3
    else:
        assert np.array_equal(again, shown)


@pytest.mark.parametrize("codec", ["pcm_alaw", "pcm_mulaw", "pcm_s16le", "alac", "libopus", "aac", "ac3"])
@pytest.mark.parametrize("before", [".mov", ".mkv"])
def test_a_sound_that_cannot_be_kept_is_refused_before_the_work(tmp_path, codec, before):
    try:
        source = film(tmp_path / f"source{before}", "libx264", sound=codec)
    except (av.error.FFmpegError, ValueError):
        pytest.skip("this container does not hold it")
    for after in SUFFIXES:
        accepted(source, after)
        try:
            accepted(source, after, keep=True)
        except InputError as error:
            assert f"its sound ({codec}) cannot be copied into {after}" in str(error)
            assert "H.264" not in str(error)
            continue
        assert_same_frames(source, tmp_path, after, keep=True)


def test_a_film_stays_in_its_own_kind_of_file_if_it_can(tmp_path):
    for name, codec, suffix in [
        ("a.mp4", "libx264", ".mp4"),
        ("a.mkv", "libx264", ".mkv"),
        ("a.webm", "libvpx", ".mkv"),
        ("a.mov", "prores", ".mkv"),
        ("a.mov", "png", ".mp4"),
    ]:
        assert accepted(film(tmp_path / name, codec)) == suffix


@contextmanager
def files_of_at_most(size):
    """A disk that is full after so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("name", ["new.mp4", "new.mkv", "new.wav"])
def test_a_full_disk_is_no_fault_of_the_source(tmp_path, name):
    source = film(tmp_path / "source.mp4", "libx264")
    noise = np.random.default_rng(0).uniform(-1, 1, (2, 48_000)).astype(np.float32)
    with (
        files_of_at_most(9000),
        pytest.raises(ResourceError, match=r"new\.\w+ cannot be written: .*too large"),
    ):
        Soundtrack(Sound(noise, 48_000), film=source).save(tmp_path / "out" / name)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_clip_and_a_sound_say_that_the_disk_is_full(tmp_path):
    clip = Clip(np.random.default_rng(0).integers(0, 256, (9, 64, 64, 3), np.uint8), 8.0)
    for name in ("clip.mp4", "clip.mkv", "clip.gif", "clip"):
        with files_of_at_most(4000), pytest.raises(ResourceError, match=rf"{name} cannot be written: "):
            clip.save(tmp_path / "out" / name)
    with files_of_at_most(4000), pytest.raises(ResourceError, match=r"a\.wav cannot be written: "):
        write_wav(SILENCE, tmp_path / "out" / "a.wav")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_damaged_source_is_no_fault_of_the_place(tmp_path):
    source = film(tmp_path / "source.mkv", "libx264", count=40)
    data = source.read_bytes()
    source.write_bytes(data[: len(data) // 20])
    with pytest.raises(InputError, match=r"source\.mkv"):
        Soundtrack(SILENCE, film=source).save(tmp_path / "out" / "new.mp4")


TURNS = {
    "a quarter": (0, 1, -1, 0),
    "a half": (-1, 0, 0, -1),
    "mirrored": (-1, 0, 0, 1),
    "upside down in a mirror": (1, 0, 0, -1),
    "transposed": (0, 1, 1, 0),
}
"""Matrices (a, b, c, d) of a film's display."""


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_turned_or_mirrored_picture_stays_so(tmp_path, turn, suffix):
    source = film(tmp_path / "source.mp4", "libx264")
    data = bytearray(source.read_bytes())
    a, b, c, d = (65536 * value for value in TURNS[turn])
    struct.pack_into(">6i", data, data.index(b"tkhd") + 44, a, b, 0, c, d, 0)
    source.write_bytes(data)
    made = assert_same_frames(source, tmp_path, suffix)
    assert display(made) == display(source) == (a, b, 0, c, d, 0)


def display(path):
    """The matrix of a film's display, without its shift."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    (matrix,) = [bytes(data) for data in frame.side_data if data.type.name == "DISPLAYMATRIX"]
    return struct.unpack("<6i", matrix[:24])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_shape_of_pixels_is_kept(tmp_path, suffix):
    source = tmp_path / "source.mp4"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(16, 9)
        for picture in pictures():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    made = assert_same_frames(source, tmp_path, suffix)
    with av.open(str(made)) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(16, 9)
