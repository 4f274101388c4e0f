"""Sound in files: exact in a WAV, in time in a film, and refused in one line where it cannot be used."""

import av
import numpy as np
import pytest

from shared.errors import InputError
from shared.media import Sound, read_sound, write_wav
from shared.media.video import encode


@pytest.fixture
def stereo():
    rng = np.random.default_rng(0)
    return Sound(rng.uniform(-1.2, 1.2, (2, 4321)).astype(np.float32), 16_000)


def film(path, delay):
    """A second of picture with a tone that begins `delay` seconds later."""
    time = np.arange(16_000) / 16_000
    tone = (0.5 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    with av.open(str(path), "w") as container:
        picture = container.add_stream("ffv1", rate=8)
        picture.width = picture.height = 16
        picture.pix_fmt = "bgr0"
        sound = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for index in range(8):
            frame = av.VideoFrame.from_ndarray(np.full((16, 16, 3), 20 * index, np.uint8), "rgb24")
            container.mux(picture.encode(frame.reformat(format="bgr0")))
        frame = av.AudioFrame.from_ndarray((tone * 32767).astype(np.int16)[None], "s16", "mono")
        frame.sample_rate, frame.pts = 16_000, round(delay * 16_000)
        container.mux(sound.encode(frame))
        for stream in (picture, sound):
            container.mux(stream.encode(None))
    return tone


def test_a_wav_holds_every_sample_bit_for_bit(stereo, tmp_path):
    again = read_sound(write_wav(stereo, tmp_path / "sound.wav", "a comment"))
    assert again.sample_rate == 16_000
    assert np.array_equal(again.waveform, stereo.waveform)
    with av.open(str(tmp_path / "sound.wav")) as container:
        assert container.metadata["comment"] == "a comment"


def test_a_wav_of_no_samples_comes_back_empty(tmp_path):
    path = write_wav(Sound(np.zeros((1, 0), np.float32), 8000), tmp_path / "empty.wav")
    assert read_sound(path).waveform.shape[1] == 0


@pytest.mark.parametrize("delay", [0.0, 0.25])
def test_the_track_of_a_film_starts_with_the_film(tmp_path, delay):
    tone = film(tmp_path / "film.mkv", delay)
    sound = read_sound(tmp_path / "film.mkv")
    assert sound.waveform.shape == (1, 16_000 + round(delay * 16_000))
    assert np.abs(sound.mono[round(delay * 16_000) :] - tone).max() < 1e-4
    assert not sound.mono[: round(delay * 16_000)].any()


def test_a_film_without_a_track_has_no_sound(tmp_path):
    encode(np.zeros((4, 16, 16, 3), np.uint8), 8.0, tmp_path / "silent.mkv")
    assert read_sound(tmp_path / "silent.mkv") is None


def test_resampling_keeps_duration_and_tone():
    time = np.arange(44_100) / 44_100
    sound = Sound(np.sin(2 * np.pi * 440 * time).astype(np.float32)[None], 44_100).resampled(16_000)
    assert sound.waveform.shape[1] == pytest.approx(16_000, abs=1)
    assert np.abs(np.fft.rfft(sound.mono[:16_000])).argmax() == 440


def test_samples_that_are_no_numbers_are_refused(tmp_path):
    with pytest.raises(InputError, match="3 of 8 samples are not finite"):
        Sound(np.array([[0, np.nan, 1, np.inf, 0, 0, -np.inf, 0]], np.float32), 16_000)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("gone.wav", None, "does not exist"),
        ("damaged.wav", b"RIFF", "cannot be read as a sound"),
        ("notes.txt", b"hello", "is of no kind that is read"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_sound(tmp_path / name)


def test_only_a_wav_is_written(stereo, tmp_path):
    with pytest.raises(InputError, match=r"must end in \.wav"):
        write_wav(stereo, tmp_path / "sound.mp3")
    assert not list(tmp_path.iterdir())
