"""`kinora data v2a FOLDER`: which clips are kept, why others are not, and what training reads of it."""

import json

import numpy as np
import pytest
from formant_voice import voice

from apps import commands
from apps.v2a.conditioning.captions import entry_captions, merged, parts_of
from apps.v2a.curation.listening import Heard
from apps.v2a.curation.selection import captions_of
from apps.v2a.curation.spectral import SpectralDetector
from foundation.data.folder.folder import read_folder
from shared.errors import InputError, WeightsError
from shared.media.sound import Sound
from shared.media.video import encode
from shared.results.soundtrack import Soundtrack
from shared.toybox.sounds.sound import toy_sound

RATE = 16_000


class Clips:
    """Films with sound in one folder."""

    def __init__(self, root):
        self.root = root

    def film(self, name, samples=None, rate=RATE, seconds=4.0, caption="a ball"):
        """A film; `samples` (N,) or (C, N) are its sound, None for a silent film."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = np.random.default_rng(0).integers(0, 256, (round(seconds * 8), 32, 32, 3), dtype=np.uint8)
        if samples is None:
            encode(frames, 8.0, path)
        else:
            silent = self.root.parent / f"picture{path.suffix}"
            encode(frames, 8.0, silent)
            Soundtrack(Sound(np.atleast_2d(samples).astype(np.float32), rate), silent).save(path)
        if caption is not None:
            path.with_suffix(".txt").write_text(caption)
        return path


@pytest.fixture
def clips(tmp_path, monkeypatch):
    monkeypatch.setenv("KINORA_CACHE", str(tmp_path / "cache"))
    (tmp_path / "films").mkdir()
    return Clips(tmp_path / "films")


@pytest.fixture
def weights(tmp_path):
    """A model folder without any sound weights: clips of 4 s, and nobody who compares picture and sound."""
    (tmp_path / "model" / "v2a" / "mel_vae").mkdir(parents=True)
    return tmp_path / "model"


@pytest.fixture
def look(clips, weights, tmp_path, capsys):
    def run(*flags):
        out = tmp_path / "out"
        commands.data(["v2a", str(clips.root), "--out", str(out), "--model", str(weights), *map(str, flags)])
        lines = (out / "report.jsonl").read_text().splitlines()
        return {line["file"]: line for line in map(json.loads, lines)}

    return run


def sound(seed=0, music=False):
    return toy_sound(seed, music=music).waveform


def test_clips_without_sound_or_mostly_silent_are_left_out_and_the_rest_is_classed(
    clips, look, tmp_path, capsys
):
    clips.film("effects.mp4", sound(1))
    clips.film("sub/music.mp4", sound(2, music=True), caption="a ball")
    clips.film("spoken.mkv", sound(3) + 0.2 * voice(3, 4.0))
    clips.film("mute.mp4")
    clips.film("quiet.mp4", np.where(np.arange(4 * RATE) < RATE // 2, sound(1), 0))
    report = look()
    assert {name: line.get("class") for name, line in report.items() if line["kept"]} == {
        "effects.mp4": "pure sound",
        "sub/music.mp4": "sound with music",
        "spoken.mkv": "sound with speech",
    }
    assert report["mute.mp4"]["reason"] == "has no sound"
    assert "% of its sound is silence" in report["quiet.mp4"]["reason"]
    assert report["effects.mp4"]["sound"]
    printed = capsys.readouterr()
    assert "left out: 2" in printed.out
    assert "mute.mp4   has no sound" in printed.out
    assert "3 of 5 kept" in printed.out
    assert printed.err.count("picture and sound are not compared") == 1

    found = read_folder(tmp_path / "out" / "clips")
    assert {item.name: item.captions for item in found.items} == {
        "effects.mp4": ("a ball", "sound: a ball; music: none; speech: none"),
        "spoken.mkv": ("a ball", "sound: a ball; music: none"),
        "sub/music.mp4": ("a ball", "sound: a ball; speech: none"),
    }
    assert not found.rejected


@pytest.mark.parametrize(("channels", "rate"), [(1, 11_025), (2, 44_100), (6, 48_000), (1, 8_000)])
def test_any_rate_and_number_of_channels_is_heard(clips, look, channels, rate):
    heard = Sound(sound(1)[None], RATE).resampled(rate).mono
    clips.film("clip.mkv", np.tile(heard, (channels, 1)), rate)
    line = look()["clip.mkv"]
    assert line["kept"]
    assert line["class"] == "pure sound"
    assert line["seconds"] == pytest.approx(4, abs=0.2)


def test_every_file_that_cannot_be_used_is_named_with_its_reason(clips, look, capsys):
    clips.film("good.mp4", sound(1))
    clips.film("brief.mp4", sound(1)[: RATE // 50], seconds=4.0)
    clips.film("short.mp4", sound(1)[:RATE], seconds=1.0)
    whole = clips.film("damaged.mp4", sound(1)).read_bytes()
    (clips.root / "damaged.mp4").write_bytes(whole[:200])
    (clips.root / "empty.mp4").write_bytes(b"")
    (clips.root / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    (clips.root / "empty.txt").write_text("a ball")
    (clips.root / "good.json").write_text("{")
    (clips.root / "bad.json").write_text('{"sound": 3}')
    clips.film("bad.mp4", sound(1), caption=None)
    report = look()
    reasons = {name: line.get("reason") for name, line in report.items()}
    assert reasons.pop("good.mp4") is None
    assert "its sound lasts" in reasons.pop("brief.mp4")
    assert "its picture lasts 1 s, less than the 4 s" in reasons.pop("short.mp4")
    assert "0 bytes" in reasons.pop("empty.mp4")
    assert reasons.pop("damaged.mp4") == "has no picture"
    assert "cannot be read as a film" in reasons.pop("noise.mp4")
    assert "must be a text, not 3" in reasons.pop("bad.mp4")
    assert not reasons
    assert "Traceback" not in capsys.readouterr().err


def test_a_folder_that_holds_nothing_is_refused(clips, look, tmp_path):
    with pytest.raises(InputError, match="there is no clip in it"):
        look()
    clips.film("mute.mp4")
    with pytest.raises(InputError, match="every file in it is left out"):
        look()
    with pytest.raises(InputError, match="does not exist"):
        commands.data(["v2a", str(tmp_path / "gone")])
    with pytest.raises(InputError, match="name a folder"):
        commands.data(["v2a"])


def test_results_never_stand_among_the_clips_nor_links_among_other_files(clips, look, tmp_path):
    with pytest.raises(InputError, match="is inside of"):
        commands.data(["v2a", str(clips.root), "--out", str(clips.root / "out")])
    clips.film("good.mp4", sound(1))
    (tmp_path / "out" / "clips").mkdir(parents=True)
    (tmp_path / "out" / "clips" / "theirs.mp4").write_bytes(b"")
    with pytest.raises(InputError, match=r"theirs\.mp4 is no link of ours"):
        look()


def test_a_run_that_goes_on_listens_to_nothing_twice_but_to_what_changed(clips, look, monkeypatch):
    listened = []

    class Counting(SpectralDetector):
        def __call__(self, waveform):
            listened.append(len(waveform))
            if len(listened) == 2:
                raise KeyboardInterrupt
            return super().__call__(waveform)

    monkeypatch.setattr("apps.v2a.curation.spectral.SpectralDetector", Counting)
    clips.film("a.mp4", sound(1))
    clips.film("b.mp4", sound(2))
    with pytest.raises(KeyboardInterrupt):
        look()
    first = look()
    assert len(listened) == 3
    assert look() == first
    assert len(listened) == 3
    clips.film("b.mp4", sound(4))
    look()
    assert len(listened) == 4


def test_what_is_kept_no_more_is_linked_no_more(clips, look, tmp_path):
    clips.film("a.mp4", sound(1))
    clips.film("b.mp4", sound(2, music=True))
    look()
    folder = tmp_path / "out" / "clips"
    assert {path.name for path in folder.iterdir()} == {"a.mp4", "b.mp4", "captions.jsonl"}
    report = look("--only", "sound with music")
    assert report["a.mp4"]["reason"] == "pure sound, which is not asked for"
    assert {path.name for path in folder.iterdir()} == {"b.mp4", "captions.jsonl"}
    assert (folder / "b.mp4").resolve() == (clips.root / "b.mp4").resolve()


def test_agreement_that_is_asked_for_needs_weights(clips, look):
    clips.film("a.mp4", sound(1))
    with pytest.raises(WeightsError, match="kinora train av_consistency"):
        look("--consistency", 0.1)


@pytest.fixture
def scored(weights, tmp_path):
    """Weights of the model that compares, tiny and random; clips last 1.024 s."""
    from apps.v2a.checkpoints import SoundDefaults, write_defaults
    from apps.v2a.codec import MelSpec, MelVAE
    from apps.v2a.model.consistency import ConsistencyModel
    from apps.v2a.model.layout import AudioLayout

    folder = weights / "v2a"
    spec = MelSpec(n_mels=16, n_fft=512)
    MelVAE(mel=vars(spec), latent_channels=2, block_out_channels=(4, 4), patch_size=(2, 2)).save_pretrained(
        folder / "mel_vae"
    )
    ConsistencyModel(side=8, channels=(4,), width=8, layers=1, mel_bands=16, joint=8).save_pretrained(
        folder / "consistency"
    )
    write_defaults(folder, SoundDefaults(AudioLayout(RATE, 512, window=32, overlap=8)))
    return folder


def test_picture_and_sound_are_compared_where_there_are_weights(clips, look, scored):
    clips.film("a.mp4", sound(1))
    score = look()["a.mp4"]["consistency"]
    assert -1 <= score <= 1
    assert look("--consistency", score - 0.01)["a.mp4"]["kept"]
    with pytest.raises(InputError, match="every file in it is left out"):
        look("--consistency", min(score + 0.01, 1))


def test_parts_of_a_caption_are_merged_and_told_apart():
    for parts in [("rain", None, None), ("rain; then wind", "organ: slow", None), ("", "organ", "none")]:
        found = parts_of(merged(*parts))
        assert (found["sound"], found.get("music"), found.get("speech")) == parts
    assert parts_of("rain; music: organ") == {"sound": "rain", "music": "organ"}


def test_captions_of_sound_and_music_become_one():
    assert entry_captions({"sound": "rain", "music": "an organ"}, "x") == ("sound: rain; music: an organ",)
    assert entry_captions({"captions": ["rain", "a shower"], "speech": "a man"}, "x") == (
        "sound: rain; speech: a man",
        "sound: a shower; speech: a man",
    )
    assert entry_captions({"caption": "rain"}, "x") == ("rain",)
    with pytest.raises(InputError, match="must be a text"):
        entry_captions({"sound": "rain", "music": ["organ"]}, "x")


def test_nobody_says_that_there_is_no_music_where_it_is_heard():
    heard = Heard(4.0, 0.0, ["speech", "music"], {})
    assert captions_of(["rain"], heard) == ("rain",)
    assert captions_of(["sound: rain; music: an organ"], heard) == ("sound: rain; music: an organ",)
    assert captions_of([], Heard(4.0, 0.0, ["sound", "music"], {})) == (
        "sound: sound with music; speech: none",
    )


def test_help_names_it_beside_the_foundations_own(capsys):
    commands.data(["--help"])
    assert "  v2a" in capsys.readouterr().out
