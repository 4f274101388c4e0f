import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from shared.errors import InputError
from shared.media import contact_sheet
from shared.media.video import decode, rate
from shared.results import Clip, read_clip

LOSSLESS = ["clip.mkv", "clip"]
FILMS = ["clip.mp4", "clip.mkv", "clip.gif"]


def psnr(one, other):
    return 10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2))


@pytest.fixture(scope="module")
def bars():
    """Eight colour bars over a ramp, moving two pixels a frame."""
    levels = [(191, 191, 191), (191, 191, 0), (0, 191, 191), (0, 191, 0)]
    levels += [(191, 0, 191), (191, 0, 0), (0, 0, 191), (16, 16, 16)]
    picture = np.repeat(np.array(levels, np.uint8), 16, axis=0)[None].repeat(96, axis=0)
    picture[64:] = np.linspace(0, 255, 128).astype(np.uint8)[:, None]
    return Clip(np.stack([np.roll(picture, 2 * shift, axis=1) for shift in range(9)]), 8.0)


@pytest.fixture(scope="module")
def noise():
    return Clip(np.random.default_rng(0).integers(0, 256, (5, 33, 47, 3), dtype=np.uint8), 24.0)


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_formats_give_back_every_pixel_of_any_size(noise, tmp_path, name):
    again = read_clip(noise.save(tmp_path / name))
    assert np.array_equal(again.frames, noise.frames)
    assert again.fps == 24.0


def test_h264_keeps_colour_bars_above_45_db(bars, tmp_path):
    again = read_clip(bars.save(tmp_path / "bars.mp4"))
    assert again.frames.shape == bars.frames.shape
    assert psnr(again.frames, bars.frames) >= 45


def test_h264_keeps_each_bar_its_colour(bars, tmp_path):
    again = read_clip(bars.save(tmp_path / "bars.mp4"))
    middles = again.frames[0, 32, 8::16].astype(int)
    assert np.abs(middles - bars.frames[0, 32, 8::16]).max() <= 3


def test_an_mp4_is_what_browsers_play(bars, tmp_path):
    path = bars.save(tmp_path / "bars.mp4")
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        tags = (context.colorspace, context.color_range, context.color_primaries, context.color_trc)
        assert tags == (1, 1, 1, 1)  # BT.709 three times, limited range
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # plays while it loads


@pytest.mark.parametrize("name", [*FILMS, "clip"])
def test_all_frames_and_the_rate_come_back(bars, tmp_path, name):
    again = read_clip(bars.save(tmp_path / name))
    assert len(again.frames) == 9
    assert again.fps == 8.0


@pytest.mark.parametrize("fps", [7.3, 12.5, 23.976, 24, 29.97, 60])
@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
@pytest.mark.parametrize("frames", [1, 5])
def test_players_are_told_the_rate(noise, tmp_path, name, fps, frames):
    path = Clip(noise.frames[:frames], fps).save(tmp_path / name)
    assert decode(path)[1] == pytest.approx(fps, rel=1e-5)


def test_a_gif_lasts_as_long_as_the_clip(tmp_path):
    frames = np.random.default_rng(1).integers(0, 256, (17, 16, 16, 3), dtype=np.uint8)
    frames[5] = frames[4]  # a still moment is not dropped
    with Image.open(Clip(frames, 8.0).save(tmp_path / "clip.gif")) as gif:
        delays = []
        for index in range(gif.n_frames):
            gif.seek(index)
            delays.append(gif.info["duration"])
    assert len(delays) == 17
    assert abs(sum(delays[:16]) - 2000) <= 10


@pytest.mark.parametrize("name", FILMS)
def test_the_same_clip_makes_the_same_bytes(bars, tmp_path, name):
    one, other = bars.save(tmp_path / f"one-{name}"), bars.save(tmp_path / f"two-{name}")
    assert one.read_bytes() == other.read_bytes()


def test_an_odd_size_in_mp4_is_made_even_and_said_aloud(noise, tmp_path, capsys):
    again = read_clip(noise.save(tmp_path / "odd.mp4"))
    assert again.frames.shape == (5, 34, 48, 3)
    assert "47x33 is odd" in capsys.readouterr().err


def test_one_frame_is_a_png(noise, tmp_path):
    picture = Clip(noise.frames[:1], 24.0)
    assert np.array_equal(read_clip(picture.save(tmp_path / "one.png")).frames, picture.frames)


def test_several_frames_are_no_png(noise, tmp_path):
    with pytest.raises(InputError, match="holds one frame and the clip has 5"):
        noise.save(tmp_path / "many.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("level", [0, 127])
def test_a_clip_of_one_flat_colour_is_never_written(tmp_path, level):
    flat = Clip(np.full((5, 16, 16, 3), level, np.uint8), 8.0)
    with pytest.raises(InputError, match="flat"):
        flat.save(tmp_path / "flat.mp4")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("shape", "kind", "fps"),
    [
        ((5, 16, 16), "uint8", 8),
        ((0, 16, 16, 3), "uint8", 8),
        ((5, 16, 16, 3), "float32", 8),
        ((1, 2, 2, 3), "uint8", 0),
    ],
)
def test_what_is_no_clip_is_refused(shape, kind, fps):
    with pytest.raises(InputError):
        Clip(np.zeros(shape, kind), fps)


@pytest.mark.parametrize("name", ["clip.avi", "clip.txt"])
def test_an_unknown_suffix_is_refused_with_the_known_ones(bars, tmp_path, name):
    with pytest.raises(InputError, match=r"\.mp4, \.mkv, \.gif or \.png"):
        bars.save(tmp_path / name)


def test_a_place_that_takes_no_file_is_named(bars, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        bars.save(tmp_path / "file" / "clip.mp4")


def test_a_full_disk_leaves_nothing_behind(tmp_path):
    script = (
        "import resource, signal, sys; import numpy as np; from pathlib import Path\n"
        "from shared.errors import ResourceError; from shared.results import Clip\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))\n"
        "frames = np.random.default_rng(0).integers(0, 256, (9, 64, 64, 3), dtype=np.uint8)\n"
        "for name in ('clip.mp4', 'clip.mkv', 'clip.gif', 'clip.png', 'clip'):\n"
        "    try: Clip(frames[:1] if name == 'clip.png' else frames, 8.0).save(Path(sys.argv[1]) / name)\n"
        "    except ResourceError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.stdout.count("cannot be written: File too large; free some space") == 5, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_leaves_the_older_file_as_it_was(bars, tmp_path, monkeypatch):
    path = bars.save(tmp_path / "clip.mp4")
    before = path.read_bytes()

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("shared.receipts.location.seal", interrupt)
    with pytest.raises(KeyboardInterrupt):
        bars.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_of_other_files_is_not_replaced(bars, tmp_path):
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="files of its own"):
        bars.save(tmp_path / "clip")
    assert (tmp_path / "clip" / "letter.txt").read_text() == "dear"


def test_a_folder_of_ours_is_replaced(bars, noise, tmp_path):
    bars.save(tmp_path / "clip")
    assert len(read_clip(noise.save(tmp_path / "clip")).frames) == 5


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "empty.mp4"),
        (b"not a film", "text.mp4"),
        (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n", "list.mp4"),
        (b"", "empty.png"),
        (b"\x89PNG\r\n\x1a\n", "cut.png"),
        (b"GIF89a", "cut.gif"),
        (b"x", "sound.wav"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(content, name, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as refusal:
        read_clip(tmp_path / name)
    assert name in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_clip(tmp_path / "nowhere.mp4")


def test_pictures_without_a_receipt_want_a_rate(bars, tmp_path):
    folder = bars.save(tmp_path / "clip")
    (folder / "receipt.json").unlink()
    with pytest.raises(InputError, match="give fps"):
        read_clip(folder)
    assert read_clip(folder, fps=12).fps == 12


@pytest.mark.parametrize(
    ("fps", "fraction"),
    [
        (8, Fraction(8)),
        (24.0, Fraction(24)),
        (23.976, Fraction(24000, 1001)),
        (29.97, Fraction(30000, 1001)),
        (12.5, Fraction(25, 2)),
    ],
)
def test_rates_are_the_fractions_that_players_know(fps, fraction):
    assert rate(fps) == fraction


def test_a_contact_sheet_shows_first_and_last_frame(bars):
    sheet = contact_sheet(bars.frames, bars.fps)
    assert np.array_equal(sheet[4:100, 4:132], bars.frames[0])
    assert any(
        np.array_equal(sheet[y : y + 96, x : x + 128], bars.frames[-1])
        for y in range(4, sheet.shape[0] - 96, 114)
        for x in range(4, sheet.shape[1] - 128, 132)
    )
