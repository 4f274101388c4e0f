import contextlib
import hashlib
import json

import av
import numpy as np
import pytest
from PIL import Image

from shared.errors import InputError
from shared.receipts import NoReceiptError, find_receipt, location, read_receipt, verify
from shared.receipts.cli import show
from shared.receipts.receipt import ZEROS, canonical, parse, validate
from shared.results import Clip

FILES = ["clip.mp4", "clip.mkv", "clip.gif", "clip.png", "clip"]
PROMPT = 'a "file_sha256":"x" \\ 圆 🎈 \x1b[2J ' + "very " * 200 + "long"


def make(name):
    ramp = np.linspace(0, 255, 32).astype(np.uint8)
    frames = np.stack([np.add.outer(ramp[:16], np.roll(ramp, shift)) for shift in range(5)])
    about = {"command": "t2v", "seed": 7, "request": {"prompt": PROMPT}, "weights_sha256": {"vae": "ab" * 32}}
    clip = Clip(np.repeat(frames[..., None], 3, -1), 8.0, {**about, "device": "cpu"})
    return Clip(clip.frames[:1], 8.0, clip.metadata) if name.endswith(".png") else clip


@pytest.fixture(scope="module", params=FILES)
def written(request, tmp_path_factory):
    return make(request.param).save(tmp_path_factory.mktemp("written") / request.param)


def main_file(path):
    return path / "receipt.json" if path.is_dir() else path


def copied(path, folder):
    target = folder / path.name
    if path.is_dir():
        target.mkdir()
        for file in path.iterdir():
            (target / file.name).write_bytes(file.read_bytes())
    else:
        target.write_bytes(path.read_bytes())
    return target


def test_a_receipt_says_how_the_clip_was_made(written):
    receipt = read_receipt(written)
    assert receipt["command"] == "t2v"
    assert receipt["seed"] == 7
    assert receipt["request"] == {"prompt": PROMPT}
    assert receipt["weights_sha256"] == {"vae": "ab" * 32}
    assert receipt["details"] == {"device": "cpu"}
    assert {"kinora", "python", "torch", "numpy", "av"} <= receipt["versions"].keys()
    assert receipt["picture"] == {
        "frames": len(make(written.name).frames),
        "height": 16,
        "width": 32,
        "fps": 8.0,
    }
    assert receipt["file_sha256"] != ZEROS


def test_the_hash_of_the_raw_frames_is_that_of_their_bytes(written):
    frames = make(written.name).frames
    shape = "x".join(map(str, frames.shape)).encode()
    assert read_receipt(written)["raw_frames_sha256"] == hashlib.sha256(shape + frames.tobytes()).hexdigest()


def test_a_file_just_written_is_verified(written):
    assert verify(written).holds


def unnoticed(path, file, places):
    """Where in a file a flipped bit leaves `verify` content; the bit walks through the byte from place to place."""
    whole, missed = file.read_bytes(), []
    for at in places(len(whole)):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        with contextlib.suppress(InputError):  # so damaged that it is refused, which is noticed too
            if verify(path).holds:
                missed.append(at)
    file.write_bytes(whole)
    return missed


def test_a_flipped_bit_anywhere_is_noticed(written, tmp_path):
    path = copied(written, tmp_path)
    spread = lambda size: np.unique(np.linspace(0, size - 1, 70).astype(int))  # noqa: E731
    assert unnoticed(path, main_file(path), spread) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_in_any_byte_of_any_format_is_noticed(name, tmp_path):
    frames = np.random.default_rng(0).integers(
        0, 256, (1 if name.endswith(".png") else 2, 16, 16, 3), np.uint8
    )
    path = Clip(frames, 8.0, {"command": "t2v", "seed": 7}).save(tmp_path / name)
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        assert unnoticed(path, file, range) == [], file.name


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_the_hash_is_over_the_file_with_zeros_in_its_place(name, tmp_path):
    path = make(name).save(tmp_path / name)
    digest = read_receipt(path)["file_sha256"]
    assert hashlib.sha256(path.read_bytes().replace(digest.encode(), ZEROS.encode())).hexdigest() == digest


def test_an_edited_receipt_is_called_so(written, tmp_path):
    path = copied(written, tmp_path)
    file = main_file(path)
    file.write_bytes(file.read_bytes().replace(b'"seed":7', b'"seed":8'))
    assert verify(path).changed == ("receipt",)


def test_a_changed_picture_is_called_so(tmp_path):
    path = make("clip.mp4").save(tmp_path / "clip.mp4")
    data = bytearray(path.read_bytes())
    data[-20] ^= 1  # the media data stand last
    path.write_bytes(data)
    assert verify(path).changed == ("picture",)


def test_a_changed_picture_in_a_folder_is_called_so(tmp_path):
    folder = make("clip").save(tmp_path / "clip")
    Image.new("RGB", (32, 16)).save(folder / "00002.png")
    assert verify(folder).changed == ("picture",)


def test_a_missing_picture_in_a_folder_is_called_so(tmp_path):
    folder = make("clip").save(tmp_path / "clip")
    (folder / "00002.png").unlink()
    assert verify(folder).changed == ("picture",)


def test_a_png_with_a_broken_checksum_is_noticed(tmp_path):
    path = make("clip.png").save(tmp_path / "clip.png")
    start, end = location.find(path).chunk
    data = bytearray(path.read_bytes())
    data[end + 3] ^= 1
    path.write_bytes(data)
    assert start < end
    assert verify(path).changed == ("receipt",)


def test_other_programs_find_the_receipt_where_comments_are(tmp_path):
    for name in ("clip.mp4", "clip.mkv"):
        with av.open(str(make(name).save(tmp_path / name))) as container:
            tags = {key.lower(): value for key, value in container.metadata.items()}
        assert json.loads(tags["comment"])["seed"] == 7
    with Image.open(make("clip.gif").save(tmp_path / "clip.gif")) as gif:
        assert json.loads(gif.info["comment"])["seed"] == 7
    with Image.open(make("clip.png").save(tmp_path / "clip.png")) as png:
        assert json.loads(png.text["kinora"])["seed"] == 7


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.gif", "clip.png"])
def test_a_file_of_another_program_has_no_receipt(name, tmp_path):
    path = tmp_path / name
    if name.endswith((".gif", ".png")):
        Image.new("RGB", (16, 16)).save(path, comment=b"made elsewhere")
    else:
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=8)
            stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
            container.metadata["comment"] = "made elsewhere"
            container.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
            container.mux(stream.encode(None))
    assert find_receipt(path) is None
    with pytest.raises(NoReceiptError, match="no receipt"):
        verify(path)


GOOD = {
    "receipt": 1,
    "versions": {"kinora": "0.1.0"},
    "picture": {"frames": 5, "height": 16, "width": 32, "fps": 8.0},
    "raw_frames_sha256": "ab" * 32,
    "streams_sha256": {"video": "cd" * 32},
    "file_sha256": ZEROS,
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"receipt": 2}, "receipt must be the number 1"),
        ({"receipt": True}, "receipt must be the number 1"),
        ({"_target_": "os.system"}, "unknown key '_target_'"),
        ({"seed": -1}, "seed must be"),
        ({"seed": "7"}, "seed must be"),
        ({"request": []}, "request must be a mapping"),
        ({"file_sha256": "AB" * 32}, "file_sha256 must be a sha256"),
        ({"weights_sha256": {"vae": "short"}}, "weights_sha256 must be"),
        ({"picture": {**GOOD["picture"], "fps": 0}}, "picture must be"),
        ({"picture": {"frames": 5}}, "picture must be"),
        ({"versions": {"kinora": 1}}, "versions must be"),
    ],
)
def test_a_strangers_receipt_is_held_to_the_schema(change, words):
    with pytest.raises(InputError, match=words):
        validate({**GOOD, **change})


@pytest.mark.parametrize("key", GOOD)
def test_a_missing_key_is_named(key):
    with pytest.raises(InputError, match=f"the receipt has no {key}"):
        validate({name: value for name, value in GOOD.items() if name != key})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{",
        '{"receipt":NaN}',
        "[" * 100_000,
        "9" * 10_000,
        canonical(GOOD) + " ",
        " " * 2_000_000,
    ],
)
def test_what_is_no_receipt_is_refused_in_one_line(text):
    with pytest.raises(InputError) as refusal:
        parse(text)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 250


def test_metadata_that_is_no_json_is_refused_before_anything_is_written(tmp_path):
    clip = make("clip.mp4")
    with pytest.raises(InputError, match="JSON"):
        Clip(clip.frames, 8.0, {"device": object()}).save(tmp_path / "clip.mp4")
    assert list(tmp_path.iterdir()) == []


def test_show_prints_a_strangers_text_without_its_escapes(tmp_path, capsys):
    show([str(make("clip.mp4").save(tmp_path / "clip.mp4"))])
    printed = capsys.readouterr().out
    assert json.loads(printed)["request"]["prompt"] == PROMPT
    assert "\x1b" not in printed
    assert "圆" in printed
