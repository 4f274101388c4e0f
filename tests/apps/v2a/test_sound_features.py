"""From films to features: what encoders see, and when."""

from fractions import Fraction

import av
import numpy as np
import pytest
import torch

from apps.v2a.conditioning.sampled_frames import LONGEST, sample_frames
from apps.v2a.conditioning.visual_features import SyncFeatures, at_token_rate, normalise_images
from apps.v2a.model.layout import AudioLayout
from apps.v2a.model.sync_encoder import SyncEncoder
from shared.errors import InputError
from shared.media.video import encode

LAYOUT = AudioLayout()


class Clock:
    """An encoder whose feature is the level of gray that it is shown."""

    fps, side, width = 25.0, 16, 1

    def __call__(self, frames):
        return torch.from_numpy(frames[:, 8, 8, :1].astype(np.float32))


def stepping(times, levels):
    frames = np.stack([np.full((16, 16, 3), level, np.uint8) for level in levels])
    return frames, np.asarray(times, float)


@pytest.mark.parametrize("fps", [8, 12, 24000 / 1001, 25, 30, 60])
def test_a_change_on_the_screen_is_a_change_of_the_features_at_its_moment(fps):
    count = round(4 * fps)
    times = np.arange(count) / fps
    change = times[np.searchsorted(times, 2.0)]
    frames, times = stepping(times, np.where(times < change, 0, 200))
    rows = at_token_rate(normalise_images(Clock(), frames, times, count / fps), 25.0, LAYOUT, 125)
    moments = LAYOUT.token_times(125)
    assert (rows[moments < change - 0.05] == 0).all()
    assert (rows[moments > change + 0.05] == 200).all()


@pytest.mark.parametrize("rate", [8.0, 12.5, 31.25, 62.5])
def test_features_follow_time_at_any_token_rate(rate):
    layout = AudioLayout(16_000, round(16_000 / rate))
    ramp = torch.arange(100.0)[:, None] / 25
    tokens = layout.tokens(4.0)
    rows = at_token_rate(ramp, 25.0, layout, tokens)[:, 0]
    moments = torch.from_numpy(layout.token_times(tokens)).float()
    inside = moments < 3.9
    assert torch.allclose(rows[inside], moments[inside], atol=1e-3)


def test_after_its_end_a_picture_stands_still():
    rows = at_token_rate(torch.arange(10.0)[:, None], 25.0, LAYOUT, 60)
    assert (rows[20:] == 9).all()


def test_an_encoder_keeps_its_bearings_over_long_films():
    torch.manual_seed(0)
    model = SyncEncoder(side=8, channels=(4,), width=4, layers=1).eval()
    frames = np.random.default_rng(0).integers(0, 256, (600, 8, 8, 3), dtype=np.uint8)
    features = SyncFeatures(model, 25.0)
    whole, part = features(frames), features(frames[300:400])
    assert torch.allclose(whole[310:390], part[10:90], atol=1e-4)


def varying(path, times, levels):
    """A film whose frames come when they come."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "1", "bf": "0"})
        stream.width = stream.height = 32
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for time, level in zip(times, levels, strict=True):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), level, np.uint8), format="rgb24")
            frame.pts, frame.time_base = round(time * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    return path


def test_a_film_of_no_steady_rhythm_is_seen_by_its_times(tmp_path):
    times = [0.0, 0.1, 0.15, 0.9, 1.0, 1.7]
    film = sample_frames(varying(tmp_path / "film.mp4", times, [20, 60, 100, 140, 180, 220]), {16: 25.0})
    assert film.seconds == pytest.approx(1.7 + 0.7, abs=0.75)
    rows = normalise_images(Clock(), film.frames[16], film.times[16], 1.75)[:, 0]
    seen = [float(rows[int(moment * 25)]) for moment in (0.04, 0.12, 0.2, 0.88, 0.92, 1.04)]
    assert np.allclose(seen, [20, 60, 100, 100, 140, 180], atol=6)


@pytest.mark.parametrize(("fps", "frames"), [(8, 17), (24000 / 1001, 50), (25, 1), (60, 60)])
def test_a_film_lasts_until_its_last_frame_is_gone(tmp_path, fps, frames):
    encode(np.zeros((frames, 32, 32, 3), np.uint8), fps, tmp_path / "film.mp4")
    film = sample_frames(tmp_path / "film.mp4", {16: 25.0, 8: 4.0})
    assert film.seconds == pytest.approx(frames / fps, abs=1e-3)
    assert len(film.frames[8]) <= 4 * frames / fps + 1


def test_films_that_cannot_be_are_refused_in_one_line(tmp_path, monkeypatch):
    encode(np.zeros((9, 32, 32, 3), np.uint8), 8.0, tmp_path / "film.mp4")
    monkeypatch.setattr("apps.v2a.conditioning.sampled_frames.LONGEST", 1.0)
    with pytest.raises(InputError, match="1 s are given a sound"):
        sample_frames(tmp_path / "film.mp4", {16: 25.0})
    with pytest.raises(InputError, match=r"cannot be read|has no picture"):
        (tmp_path / "broken.mp4").write_bytes((tmp_path / "film.mp4").read_bytes()[:200])
        sample_frames(tmp_path / "broken.mp4", {16: 25.0})
    assert LONGEST == 600
