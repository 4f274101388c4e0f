"""Films with a new sound: the picture untouched, the sound's duration exact, the receipt in the file."""

from fractions import Fraction

import av
import numpy as np
import pytest

from shared import receipts
from shared.errors import InputError
from shared.media import read_sound
from shared.media.sound import Sound
from shared.media.video import decode, packet_hashes
from shared.results import Clip
from shared.results.soundtrack import Soundtrack, samples_sha256

RATE = 16_000


def tone(seconds, rate=RATE, channels=1, frequency=440):
    wave = 0.4 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)
    return Sound(np.tile(wave, (channels, 1)).astype(np.float32), rate)


def film(folder, fps=8, frames=9, name="film.mp4"):
    rng = np.random.default_rng(0)
    return Clip(rng.integers(0, 256, (frames, 32, 48, 3), dtype=np.uint8), fps).save(folder / name)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(("fps", "frames"), [(8, 9), (24000 / 1001, 31), (60, 7), (25, 300)])
def test_the_picture_is_copied_and_the_sound_lasts_as_long_as_it(tmp_path, suffix, fps, frames):
    source = film(tmp_path, fps, frames)
    seconds = frames / fps
    made = Soundtrack(tone(seconds), film=source).save(tmp_path / f"new{suffix}")
    assert packet_hashes(made)["video"] == packet_hashes(source)["video"]
    assert np.array_equal(decode(made)[0], decode(source)[0])
    with av.open(str(made)) as container:
        track = container.streams.audio[0]
        assert track.codec_context.name == "aac"
        if suffix == ".mp4":
            assert track.duration * track.time_base == Fraction(round(seconds * RATE), RATE)
    heard = read_sound(made)
    assert heard.sample_rate == RATE
    assert 0 <= heard.waveform.shape[1] - round(seconds * RATE) < 2 * 1024
    wanted = tone(seconds).waveform[0]
    start = slice(2048, min(len(wanted), 8000) - 512)
    if start.stop > start.start:
        assert np.abs(heard.waveform[0, start] - wanted[start]).max() < 0.1


def test_the_receipt_tells_of_the_sound_and_of_what_changed(tmp_path):
    track = Soundtrack(tone(1.0), film=film(tmp_path), metadata={"command": "v2a", "seed": 3})
    for name in ("new.mp4", "new.mkv", "new.wav"):
        made = track.save(tmp_path / name)
        receipt = receipts.read_receipt(made)
        assert receipt["raw_samples_sha256"] == samples_sha256(track.sound)
        assert receipt["sound"] == {"channels": 1, "samples": RATE, "sample_rate": RATE}
        assert receipts.verify(made).holds
    data = bytearray(made.read_bytes())
    data[-100] ^= 1
    made.write_bytes(data)
    assert receipts.verify(made).changed == ("sound",)


def test_a_wav_holds_every_sample(tmp_path):
    sound = tone(0.3, channels=2)
    made = Soundtrack(sound).save(tmp_path / "new.wav")
    assert np.array_equal(read_sound(made).waveform, sound.waveform)


def test_the_films_own_sound_may_stay_beside_the_new_one(tmp_path):
    first = Soundtrack(tone(1.125, frequency=220), film=film(tmp_path)).save(tmp_path / "first.mp4")
    both = Soundtrack(tone(1.125), film=first, keep=True).save(tmp_path / "both.mp4")
    alone = Soundtrack(tone(1.125), film=first).save(tmp_path / "alone.mp4")
    with av.open(str(both)) as container:
        assert len(container.streams.audio) == 2
    with av.open(str(alone)) as container:
        assert len(container.streams.audio) == 1
    assert np.allclose(read_sound(both).waveform, read_sound(first).waveform)


def test_bad_input_is_one_line_and_leaves_nothing(tmp_path):
    source = film(tmp_path)
    gif = film(tmp_path, name="film.gif")
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(source.read_bytes()[:300])
    for track, name, words in [
        (Soundtrack(tone(1.0)), "new.mp4", "made for none"),
        (Soundtrack(tone(1.0), film=source), "new.avi", "must end in"),
        (Soundtrack(tone(1.0), film=gif), "new.mp4", "cannot be copied"),
        (Soundtrack(tone(1.0), film=broken), "new.mp4", "has no picture"),
    ]:
        with pytest.raises(InputError, match=words) as caught:
            track.save(tmp_path / "out" / name)
        assert "\n" not in str(caught.value)
        assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True


def loudnesses(waveform):
    """Root mean square of each channel, its edges left out."""
    return np.sqrt(np.square(waveform[:, 4096:40_000]).mean(axis=1))


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("name", ["new.mp4", "new.mkv", "new.wav"])
def test_every_channel_keeps_its_place(tmp_path, channels, name):
    levels = np.linspace(0.1, 0.4, channels, dtype=np.float32)[:, None]
    sound = Sound(np.tile(tone(1.0, 48_000, frequency=60).waveform, (channels, 1)) * levels, 48_000)
    heard = read_sound(Soundtrack(sound, film=film(tmp_path)).save(tmp_path / name))
    assert heard.sample_rate == 48_000
    assert loudnesses(heard.waveform) == pytest.approx(loudnesses(sound.waveform), rel=0.1)


@pytest.mark.parametrize(
    ("channels", "rate", "kept", "said"),
    [
        (8, 48_000, (8, 48_000), ""),
        (9, 48_000, (1, 48_000), "the sound's 9 are mixed into one"),
        (1, 192_000, (1, 96_000), "resampled to 96000"),
        (2, 11_000, (2, 11_025), "resampled to 11025"),
    ],
)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_what_aac_does_not_take_is_changed_aloud(tmp_path, capsys, channels, rate, kept, said, suffix):
    track = Soundtrack(tone(1.125, rate, channels), film=film(tmp_path))
    with av.open(str(track.save(tmp_path / f"new{suffix}"))) as container:
        stream = container.streams.audio[0]
        assert (stream.channels, stream.rate) == kept
        if suffix == ".mp4":
            assert abs(stream.duration * stream.time_base - Fraction(9, 8)) < Fraction(1, kept[1])
    assert said in capsys.readouterr().err


def test_a_wav_holds_any_number_of_channels(tmp_path):
    for channels in (8, 9, 11, 16):
        made = Soundtrack(tone(0.1, channels=channels)).save(tmp_path / "new.wav")
        with av.open(str(made)) as container:
            assert container.streams.audio[0].channels == channels
        assert receipts.verify(made).holds
