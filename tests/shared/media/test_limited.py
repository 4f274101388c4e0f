"""A user's medium is decoded by a process with limits, and what ends it is one refused file."""

import os
import signal
import struct
import threading
import zlib

import numpy as np
import pytest
from PIL import Image

from shared.errors import InputError
from shared.media import limited, limits, video
from shared.media.film import look_through
from shared.media.limited import Decoder, check_medium
from shared.media.sound import Sound, read_sound, write_wav
from shared.media.video import encode


@pytest.fixture
def clip(tmp_path):
    encode(np.zeros((4, 32, 48, 3), np.uint8), 8.0, tmp_path / "clip.mp4")
    return tmp_path / "clip.mp4"


def use_program(monkeypatch, text):
    """Let decoders run other words than their own."""
    monkeypatch.setattr(limited, "_PROGRAM", (limited._PROGRAM[0], "-c", text))


def write_bomb(path, width, height):
    """A PNG of no pixels that declares many."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    raw = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + raw)


def test_media_of_every_kind_pass(clip, tmp_path):
    Image.new("RGB", (32, 32)).save(tmp_path / "picture.png")
    write_wav(Sound(np.zeros((8, 800), np.float32), 8000), tmp_path / "eight.wav")
    for path in (clip, tmp_path / "picture.png", tmp_path / "eight.wav"):
        check_medium(path)


def test_what_is_wrong_is_said_of_the_path_that_was_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.mp4").write_bytes(b"no film")
    with pytest.raises(InputError, match=r"^broken\.mp4 cannot be read as a film"):
        check_medium(limited.Path("broken.mp4"))


@pytest.mark.parametrize("size", [(160_000_000, 1), (13_000, 13_000), (1, 16_385)])
def test_a_picture_is_refused_by_its_declared_size(size, tmp_path):
    write_bomb(tmp_path / "bomb.png", *size)
    with pytest.raises(InputError, match="64 million pixels"):
        check_medium(tmp_path / "bomb.png")


def test_a_moving_picture_is_refused_by_its_declared_size(tmp_path):
    Image.new("P", (10_000, 10_000)).save(tmp_path / "bomb.gif")
    with pytest.raises(InputError, match="10000x10000: at most 64 million pixels"):
        check_medium(tmp_path / "bomb.gif")


def test_shown_pixels_count_too(clip, monkeypatch):
    monkeypatch.setattr(video.ShownFrames, "_widened", lambda self, frame: (100_000, frame.height))
    with pytest.raises(InputError, match="100000x32: at most"):
        look_through(clip)


def test_frames_and_seconds_are_bounded(clip, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MOST_FRAMES", 3)
    with pytest.raises(InputError, match=r"has 4 frames or more: at most 3"):
        look_through(clip)
    monkeypatch.setattr(limits, "MOST_FRAMES", 4)
    look_through(clip)
    monkeypatch.setattr(limits, "MOST_SECONDS", 0.25)
    with pytest.raises(InputError, match=r"lasts .* at most 0.25 s"):
        look_through(clip)
    write_wav(Sound(np.zeros((1, 800), np.float32), 800), tmp_path / "long.wav")
    with pytest.raises(InputError, match=r"lasts .* at most 0.25 s"):
        read_sound(tmp_path / "long.wav")


def test_frames_that_are_held_are_bounded(clip, monkeypatch):
    monkeypatch.setattr(limits, "MOST_CLIP_BYTES", 3 * 32 * 48 * 3)
    look_through(clip)
    with pytest.raises(InputError, match="GiB once decoded: cut it"):
        video.decode(clip)


def test_the_death_of_a_decoder_is_one_refused_file(clip, monkeypatch):
    decoder = Decoder()
    with monkeypatch.context() as patched:
        use_program(patched, "import os, signal; input(); os.kill(os.getpid(), signal.SIGSEGV)")
        with pytest.raises(InputError, match=r"clip\.mp4 cannot be decoded: .*SIGSEGV"):
            decoder.check(clip)
    decoder.check(clip)
    decoder.end()


def test_a_decoder_that_takes_too_long_is_ended(clip, monkeypatch):
    use_program(monkeypatch, "input(); import time; time.sleep(60)")
    decoder = Decoder(patience=0.2)
    with pytest.raises(InputError, match="takes longer than"):
        decoder.check(clip)


@pytest.mark.skipif(os.name != "posix", reason="limits of memory are POSIX's")
def test_memory_is_bounded(clip, monkeypatch):
    use_program(
        monkeypatch,
        "import shared.media.limited as limited\n"
        "limited.MOST_MEMORY = 256 << 20\n"
        "limited._decode = lambda path: bytearray(512 << 20)\n"
        "limited.main()",
    )
    decoder = Decoder()
    with pytest.raises(InputError, match=r"takes more than 0\.25 GiB of memory"):
        decoder.check(clip)
    decoder.end()


def test_no_more_run_at_once_than_stated(clip, monkeypatch):
    running, most = [], []

    def check(self, path):
        running.append(path)
        most.append(len(running))
        threading.Event().wait(0.02)
        running.pop()

    monkeypatch.setattr(Decoder, "check", check)
    threads = [threading.Thread(target=check_medium, args=(clip,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 8
    assert max(most) <= limits.MOST_AT_ONCE


def test_a_decoder_ended_between_two_files_is_started_again(clip):
    decoder = Decoder()
    decoder.check(clip)
    os.kill(decoder._process.pid, signal.SIGKILL)
    decoder._process.wait()
    decoder.check(clip)
    decoder.end()


def test_a_decoder_imports_no_torch(clip, monkeypatch):
    use_program(
        monkeypatch,
        "import sys, shared.media.limited as limited\n"
        "decode = limited._decode\n"
        "def then_look(path):\n"
        "    decode(path)\n"
        "    assert 'torch' not in sys.modules\n"
        "limited._decode = then_look\n"
        "limited.main()",
    )
    decoder = Decoder()
    decoder.check(clip)
    decoder.end()
