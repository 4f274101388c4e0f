"""`kinora v2a`: flags, lengths, receipts, and refusals before any model is loaded."""

import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from apps import commands
from apps.v2a import cli
from apps.v2a.request import VideoToAudioRequest
from foundation.rerun import rerun
from shared import receipts
from shared.console import run
from shared.errors import InputError
from shared.media import read_sound
from shared.media.picture import read_png
from shared.media.sound import Sound, write_wav
from shared.media.video import packet_hashes
from shared.results import Clip
from shared.results.soundtrack import Soundtrack

PROMPT = "a wooden ball bounces"


def film(folder, fps=8.0, frames=9, name="clip.mp4"):
    rng = np.random.default_rng(0)
    return Clip(rng.integers(0, 256, (frames, 32, 48, 3), dtype=np.uint8), fps).save(folder / name)


def v2a(*argv):
    cli.main([str(word) for word in argv])


def printed(capsys):
    return [Path(line) for line in capsys.readouterr().out.split()]


@pytest.fixture
def folder(sound_folder):
    return "--model", str(sound_folder), "--device", "cpu"


class Loading(Exception):
    """The command goes on to its model."""


@pytest.mark.parametrize(
    ("prompt", "line"),
    [
        (
            "a dog barks, then a wooden ball bounces",
            "starter does not know dog, barks and then: its sounds are of",
        ),
        ("a metallic ring rolls along the ground", None),
    ],
)
def test_words_that_the_starter_has_no_sound_for_are_named(tmp_path, capsys, monkeypatch, prompt, line):
    def load(*_):
        raise Loading

    monkeypatch.setattr(cli, "_load", load)
    with pytest.raises(Loading):
        v2a("--prompt", prompt, "--seconds", 1, "--out", tmp_path / "x.wav")
    said = capsys.readouterr().err
    assert line in said if line else "does not know" not in said


@pytest.mark.parametrize(
    ("fps", "frames"),
    [
        (8, 3),
        (12, 13),
        (15, 5),
        (16, 1),
        (24000 / 1001, 24),
        (24, 30),
        (25, 50),
        (30000 / 1001, 7),
        (30, 3),
        (60, 6),
    ],
)
def test_a_clip_gets_a_sound_that_lasts_as_long_as_its_picture(tmp_path, capsys, folder, fps, frames):
    clip = film(tmp_path, fps, frames)
    v2a(clip, "--prompt", PROMPT, "--out", tmp_path / "new.mp4", "--wav", "--steps", "1", *folder)
    assert printed(capsys) == [tmp_path / "new.mp4", tmp_path / "new.wav"]
    assert packet_hashes(tmp_path / "new.mp4")["video"] == packet_hashes(clip)["video"]
    seconds = frames / fps
    exact = read_sound(tmp_path / "new.wav")
    assert abs(exact.seconds - seconds) <= 1 / exact.sample_rate
    with av.open(str(tmp_path / "new.mp4")) as container:
        track = container.streams.audio[0]
        assert track.duration * track.time_base == Fraction(exact.waveform.shape[1], exact.sample_rate)


def test_a_clip_is_opened_no_more_than_each_step_needs(tmp_path, capsys, folder, monkeypatch):
    clip, names = film(tmp_path, frames=12), []
    real = av.open

    def counted(file, *words, **settings):
        names.append(str(file))
        return real(file, *words, **settings)

    monkeypatch.setattr(av, "open", counted)
    v2a(clip, "--out", tmp_path / "new.mp4", "--steps", "1", *folder)
    steps = {"check": 1, "watch": 1, "times of its packets": 1, "copy": 1, "its receipt": 1}
    assert names.count(f"file:{clip}") == sum(steps.values())


def test_a_sound_alone_is_printed_once(tmp_path, capsys, folder):
    v2a(film(tmp_path, frames=10), "--out", tmp_path / "new.wav", "--wav", "--steps", "1", *folder)
    assert printed(capsys) == [tmp_path / "new.wav"]


def test_a_sheet_shows_the_frames_above_the_sound(tmp_path, capsys, folder):
    clip = film(tmp_path, frames=11)
    v2a(clip, "--out", tmp_path / "new.mp4", "--contact-sheet", "--steps", "1", *folder)
    assert printed(capsys) == [tmp_path / "new.mp4", tmp_path / "new-sheet.png"]
    with_film = read_png(tmp_path / "new-sheet.png")
    v2a("--prompt", PROMPT, "--out", tmp_path / "new.wav", "--contact-sheet", "--steps", "1", *folder)
    assert len(with_film) > len(read_png(tmp_path / "new-sheet.png")) > 0


def test_a_sound_longer_than_a_window_is_made_in_windows(tmp_path, capsys, folder):
    clip = film(tmp_path, 8.0, 40)
    v2a(clip, "--out", tmp_path / "new.wav", "--steps", "1", *folder)
    assert read_sound(tmp_path / "new.wav").seconds == pytest.approx(5.0, abs=1e-4)


def test_words_alone_make_a_sound(tmp_path, capsys, folder):
    v2a("--prompt", PROMPT, "--seconds", "1.5", "--seed", "3", "--out", tmp_path / "made", *folder)
    (made,) = printed(capsys)
    assert made.name == "a-wooden-ball-bounces-seed3.wav"
    assert read_sound(made).seconds == 1.5


def test_the_receipt_names_clip_weights_and_layout_and_the_sound_is_made_again(tmp_path, capsys, folder):
    clip = film(tmp_path)
    v2a(clip, "--prompt", PROMPT, "--no-music", "--seed", "1", "--out", tmp_path / "new.mp4", *folder)
    capsys.readouterr()
    receipt = receipts.read_receipt(tmp_path / "new.mp4")
    assert receipts.verify(tmp_path / "new.mp4").holds
    assert (receipt["command"], receipt["request"]["music"], receipt["seed"]) == ("v2a", False, 1)
    assert receipt["request"]["steps"] == 2
    assert receipt["details"]["inputs"]["video"]["name"] == "clip.mp4"
    assert receipt["details"]["film"]["picture"]["frames"] == 9
    assert receipt["details"]["layout"]["window"] == 32
    assert {"transformer", "vocoder"} <= {name.split("/")[0] for name in receipt["weights_sha256"]}
    assert str(tmp_path) not in str(receipt)

    remakers = commands.remakers()
    again = tmp_path / "again.wav"
    rerun.main(["--model", folder[1], "--out", str(again), str(tmp_path / "new.mp4")], remakers)
    assert "bit for bit" in capsys.readouterr().out
    assert receipts.read_receipt(again)["raw_samples_sha256"] == receipt["raw_samples_sha256"]
    clip.unlink()
    with pytest.raises(InputError, match=r"video.*is not here.*name it with --input"):
        rerun.main(["--model", folder[1], str(tmp_path / "new.mp4")], remakers)


def test_conditions_and_seeds_matter(tmp_path, capsys, folder):
    clip, other = film(tmp_path), tmp_path / "other.mp4"
    Clip(np.random.default_rng(1).integers(0, 256, (9, 32, 48, 3), dtype=np.uint8), 8.0).save(other)
    base = ("--prompt", PROMPT, "--seed", "1", *folder)
    runs = {
        "same": (clip, *base),
        "again": (clip, *base),
        "picture": (other, *base),
        "seed": (clip, *base[:2], "--seed", "2", *folder),
        "words": (clip, "--seed", "1", *folder),
        "no music": (clip, *base, "--no-music"),
        "negative": (clip, *base, "--negative-prompt", "whoosh"),
    }
    made = {}
    for name, argv in runs.items():
        v2a(*argv, "--out", tmp_path / f"{name.replace(' ', '-')}.wav")
        (path,) = printed(capsys)
        made[name] = read_sound(path).waveform
    assert np.array_equal(made["same"], made["again"])
    for name in list(made)[2:]:
        assert not np.array_equal(made["same"], made[name]), name


def test_the_clips_own_sound_is_replaced_mixed_or_kept(tmp_path, capsys, folder):
    rate = 44_100
    tone = 0.3 * np.sin(2 * np.pi * 880 * np.arange(round(1.125 * rate)) / rate)
    own = Sound(np.stack([tone, tone]).astype(np.float32), rate)
    clip = Soundtrack(own, film=film(tmp_path)).save(tmp_path / "loud.mp4")
    shapes = {}
    for mix in ("replace", "mix", "keep"):
        v2a(clip, "--mix", mix, "--out", tmp_path / f"{mix}.mp4", *folder)
        with av.open(str(tmp_path / f"{mix}.mp4")) as container:
            shapes[mix] = [(track.rate, track.channels) for track in container.streams.audio]
    assert shapes == {"replace": [(16_000, 1)], "mix": [(rate, 2)], "keep": [(rate, 2), (16_000, 1)]}
    heard = read_sound(tmp_path / "mix.mp4").waveform[0, 4096:40_000]
    spectrum = np.abs(np.fft.rfft(heard))
    assert spectrum[round(880 * len(heard) / rate)] > 20 * np.median(spectrum)


def test_the_sound_is_as_loud_as_asked(tmp_path, capsys, folder):
    from apps.v2a.loudness import loudness

    for target in (-16.0, -30.0):
        v2a(film(tmp_path), "--loudness", target, "--out", tmp_path / "new.wav", *folder)
        made = read_sound(tmp_path / "new.wav")
        assert loudness(made.waveform, made.sample_rate) == pytest.approx(target, abs=0.5)


@pytest.fixture
def files(tmp_path):
    (tmp_path / "text.mp4").write_text("no film")
    write_wav(Sound(np.zeros((1, 16_000), np.float32), 16_000), tmp_path / "sound.wav")
    silent = tmp_path / "audio.mp4"
    with av.open(str(silent), "w") as container:
        track = container.add_stream("aac", rate=16_000, layout="mono")
        block = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        block.sample_rate = 16_000
        container.mux(track.encode(block))
        container.mux(track.encode(None))
    (tmp_path / "locked").write_text("a file where a folder is wanted")
    clip, telephone = film(tmp_path), tmp_path / "telephone.mov"
    with av.open(str(clip)) as source, av.open(str(telephone), "w") as container:
        kept = container.add_stream_from_template(source.streams.video[0], opaque=True)
        track = container.add_stream("pcm_alaw", rate=8000, layout="mono")
        block = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
        block.sample_rate = 8000
        container.mux(track.encode(block))
        for packet in source.demux(source.streams.video[0]):
            if packet.size:
                packet.stream = kept
                container.mux(packet)
    return {
        "telephone": telephone,
        "clip": clip,
        "gif": film(tmp_path, name="clip.gif"),
        "cut": tmp_path / "text.mp4",
        "audio": silent,
        "sound": tmp_path / "sound.wav",
        "here": tmp_path,
        "locked": tmp_path / "locked" / "new.mp4",
    }


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((), "give a clip, or a prompt"),
        (("nowhere.mp4",), "nowhere.mp4 does not exist"),
        (("{cut}",), "cannot be read as a film"),
        (("{audio}",), "has no picture"),
        (("{sound}",), "of no kind that is read"),
        (("{gif}",), "cannot be copied"),
        (("{telephone}", "--mix", "keep"), "its sound (pcm_alaw) cannot be copied into .mp4"),
        (("{clip}", "--seconds", "3"), "as long as its clip"),
        (("{clip}", "--out", "{here}/new.avi"), "must end in"),
        (("{clip}", "--out", "{clip}"), "is the clip itself"),
        (("{clip}", "--out", "{locked}"), "locked"),
        (("{clip}", "--video", "{clip}"), "give video once"),
        (("--prompt", "rain", "--out", "{here}/new.mp4"), "there is no clip"),
        (("--prompt", "rain", "--seconds", "1e9"), "seconds must be"),
        (("--prompt", "rain", "--mix", "keep"), "give a clip"),
        (("{clip}", "--loudness", "7"), "loudness must be"),
        (("{clip}", "--no-musik"), "did you mean --no-music"),
    ],
)
def test_bad_input_is_one_line_and_costs_no_model(tmp_path, capsys, flags, words, monkeypatch, files):
    monkeypatch.setitem(sys.modules, "apps.v2a.pipeline", None)
    before = sorted(tmp_path.rglob("*"))
    assert run(cli.main, [flag.format(**files) for flag in flags]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert words in error
    assert sorted(tmp_path.rglob("*")) == before


def test_samples_that_are_no_numbers_are_refused(tmp_path, capsys, folder):
    clip = film(tmp_path, name="clip.mkv")
    broken = np.zeros((1, 18_000), np.float32)
    broken[0, 5] = np.nan
    with av.open(str(clip)) as source, av.open(str(tmp_path / "nan.mkv"), "w") as target:
        kept = target.add_stream_from_template(source.streams.video[0], opaque=True)
        track = target.add_stream("pcm_f32le", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(broken, format="flt", layout="mono")
        frame.sample_rate = 16_000
        target.mux(track.encode(frame))
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = kept
                target.mux(packet)
    with pytest.raises(InputError, match="1 of 18000 samples are not finite"):
        v2a(tmp_path / "nan.mkv", "--mix", "mix", "--out", tmp_path / "new.mkv", *folder)


def test_a_model_without_sounds_says_so(tmp_path, capsys):
    with pytest.raises(Exception, match="has no video-to-audio weights"):
        v2a(film(tmp_path), "--model", tmp_path, "--out", tmp_path / "new.mp4")


def test_a_request_reads_what_a_form_or_a_body_says():
    request = VideoToAudioRequest(video="clip.mp4", music=False)
    assert (request.video, request.music) == (Path("clip.mp4"), False)
    with pytest.raises(InputError, match="no room"):
        VideoToAudioRequest(prompt="rain", seed=2**63 - 1, count=2)
