"""Pictures of every kind come into a clip's size, and what cannot is refused in one line."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from apps.i2v.conditioning.images import check_shape, fitted, nearest_size, pictures_in, read_picture
from apps.i2v.conditioning.keyframes import Keyframe, latent_frame, placed
from shared.config import Size
from shared.errors import InputError

RED = (200, 30, 20)


def saved(folder, picture, name="picture.png", **options):
    picture.save(folder / name, **options)
    return folder / name


def plain(mode="RGB", size=(48, 32), color=RED):
    return Image.new(mode, size, color)


@pytest.mark.parametrize("name", ["cat.png", "cat.jpg", "cat.webp"])
def test_every_common_format_is_read(tmp_path, name):
    picture = read_picture(saved(tmp_path, plain(), name))
    assert picture.shape == (32, 48, 3)
    assert np.abs(picture.astype(int) - RED).max() <= 6


def test_a_photograph_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # held upright: its rows are columns
    assert read_picture(saved(tmp_path, plain(), "photo.jpg", exif=exif)).shape == (48, 32, 3)


@pytest.mark.parametrize(
    ("picture", "expected", "said"),
    [
        (plain("RGBA", color=(*RED, 0)), (255, 255, 255), "transparent becomes white"),
        (plain("RGBA", color=(*RED, 255)), RED, None),
        (plain("LA", color=(90, 255)), (90, 90, 90), None),
        (plain("L", color=90), (90, 90, 90), None),
        (Image.fromarray(np.full((32, 48), 90 * 257, np.uint16)), (90, 90, 90), "16-bit"),
    ],
    ids=["alpha", "opaque-alpha", "grey-alpha", "grey", "16-bit"],
)
def test_every_kind_of_pixel_becomes_rgb(tmp_path, picture, expected, said):
    notes = []
    read = read_picture(saved(tmp_path, picture), notes.append)
    assert read.dtype == np.uint8
    assert read[0, 0].tolist() == list(expected)
    assert len(notes) == (said is not None)
    assert said is None or said in notes[0]


def test_cmyk_becomes_rgb_and_says_so(tmp_path):
    notes = []
    picture = read_picture(saved(tmp_path, plain("CMYK", color=(0, 255, 255, 0)), "print.jpg"), notes.append)
    assert picture[0, 0, 0] > 200 > 60 > picture[0, 0, 1]
    assert "CMYK" in notes[0]


def truncated(folder):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    path = saved(folder, Image.fromarray(noise))
    path.write_bytes(path.read_bytes()[:2000])
    return path


def renamed(folder):
    path = folder / "text.png"
    path.write_text("no picture")
    return path


def animated(folder):
    return saved(folder, plain(), "moves.gif", save_all=True, append_images=[plain(color=(0, 0, 255))])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (truncated, "cannot be read as a picture"),
        (renamed, "cannot be read as a picture"),
        (animated, "moves \\(2 frames\\); a still picture is wanted"),
        (lambda folder: folder / "nowhere.png", "is missing"),
        (lambda folder: folder, "is a folder"),
        (lambda folder: saved(folder, plain(size=(1, 1))), "1x1; both sides must have 16 pixels"),
        (lambda folder: saved(folder, plain(size=(20000, 10))), "20000x10"),
        (lambda folder: saved(folder, plain(size=(200, 20))), "10 times the other"),
    ],
    ids=["truncated", "renamed", "animated", "missing", "folder", "one pixel", "thread", "strip"],
)
def test_what_is_no_picture_for_a_clip_is_refused_in_one_line(tmp_path, make, words):
    with pytest.raises(InputError, match=words) as refused:
        read_picture(make(tmp_path))
    assert "\n" not in str(refused.value)


def test_a_picture_goes_to_the_nearest_of_the_models_shapes():
    area = Size(64, 64)
    assert nearest_size(np.zeros((50, 50, 3), np.uint8), area) == area
    wide, tall = (nearest_size(np.zeros(shape, np.uint8), area) for shape in ((720, 1280, 3), (1280, 720, 3)))
    assert (wide.width, wide.height) == (tall.height, tall.width)
    assert wide.width > wide.height
    with pytest.raises(InputError, match="16 pixels"):
        check_shape(np.zeros((15, 40, 3), np.uint8), "it")


def test_cropping_keeps_the_middle_and_padding_keeps_everything():
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:, 24:40] = 255
    notes = []
    cropped = fitted(picture, Size(32, 32), "crop", "cat.png", notes.append)
    padded = fitted(picture, Size(32, 32), "pad", "cat.png", notes.append)
    assert cropped.shape == padded.shape == (32, 32, 3)
    assert cropped[:, 10:22].min() > 250
    assert not padded[:7].any()
    assert notes == [
        "cat.png: 64x32 is resized to 32x32 and cut around the middle",
        "cat.png: 64x32 is resized to 32x32 with black bars",
    ]
    assert fitted(picture, Size(64, 32), note=notes.append) is picture
    assert len(notes) == 2


def test_a_folder_gives_its_pictures_by_name(tmp_path):
    with pytest.raises(InputError, match="holds no pictures"):
        pictures_in(tmp_path)
    for name in ("b.png", "a.JPG", "c.webp"):
        saved(tmp_path, plain(), name)
    (tmp_path / "notes.txt").write_text("")
    assert [path.name for path in pictures_in(tmp_path)] == ["a.JPG", "b.png", "c.webp"]


def test_frames_fall_into_one_and_then_groups_of_four():
    assert [latent_frame(frame) for frame in range(10)] == [0, 1, 1, 1, 1, 2, 2, 2, 2, 3]


def test_keyframes_move_to_the_end_of_their_group_and_say_so():
    found, notes = placed({0: "a", 16: "c", 6: "b"}, 17)
    assert found == {0: "a", 2: "b", 4: "c"}
    (line,) = notes
    assert line.startswith("keyframe 6 becomes frame 8: frames 5 to 8 are coded as one")


@pytest.mark.parametrize(
    ("frames", "words"),
    [((0, 17), "keyframe 17 is beyond the clip; its frames are 0 to 16"), ((5, 8), "keyframes 5 and 8 fall")],
)
def test_keyframes_that_cannot_be_are_refused(frames, words):
    with pytest.raises(InputError, match=words):
        placed(dict.fromkeys(frames, "x"), 17)


def test_a_keyframe_is_written_as_frame_and_file():
    keyframe = Keyframe.parse("8=some/cat=1.png")
    assert keyframe == Keyframe(8, Path("some/cat=1.png"))
    assert Keyframe.parse(str(keyframe)) == keyframe
    for wrong in ("cat.png", "8=", "-1=cat.png", "x=cat.png"):
        with pytest.raises(ValueError, match="FRAME=FILE"):
            Keyframe.parse(wrong)
