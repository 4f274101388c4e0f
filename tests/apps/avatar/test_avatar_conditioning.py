"""The avatar's signals on their way into the transformer: timing, audio, masks, expression, and the zero start."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import TINY_TRANSFORMER, tiny_transformer
from transformers import WhisperConfig, WhisperModel
from whisper.model import AudioEncoder

from apps.avatar.conditioning.audio import FEATURE_RATE, WhisperFeatures, load_whisper
from apps.avatar.conditioning.conditioner import (
    AvatarConditioner,
    AvatarSignals,
    FaceSignals,
    prepare_transformer,
)
from apps.avatar.conditioning.expression import ExpressionEncoder, crop_faces
from apps.avatar.conditioning.faces import face_mask, mask_tokens, smooth_boxes
from apps.avatar.conditioning.motion import motion_strength
from apps.avatar.conditioning.timing import (
    group_frames,
    latent_frames,
    latent_intervals,
    sample_steps,
)
from foundation.models.transformer import Conditioning, TextConditioning, VideoTransformer
from shared.errors import ConfigError, InputError, WeightsError
from shared.toybox.puppets.puppet import make_tracks, render_puppet, sample_puppet, with_mouth

RATES = (8.0, 12.5, 24.0, 25.0, 29.97, 30.0)


def numbers(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# Timing


@pytest.mark.parametrize("fps", RATES)
def test_latent_frames_share_out_the_clip_without_gap(fps):
    spans = latent_intervals(17, fps)
    assert len(spans) == latent_frames(17) == 5
    assert spans[0, 0] == 0 and spans[0, 1] == pytest.approx(1 / fps)
    assert spans[-1, 1] == pytest.approx(17 / fps)
    assert np.allclose(spans[1:, 0], spans[:-1, 1])


@given(
    frames=st.integers(0, 20).map(lambda k: 4 * k + 1), fps=st.sampled_from(RATES), steps=st.integers(1, 12)
)
def test_features_are_sampled_at_the_time_that_the_frames_show(frames, fps, steps):
    times = (torch.arange(2000) + 0.5) / 50
    found = sample_steps(times[:, None], 50, frames, fps, steps, context=0.1)[..., 0]
    middles = torch.from_numpy(latent_intervals(frames, fps).mean(1)).float()
    inside = middles > 0.5
    assert torch.allclose(found.mean(1)[inside], middles[inside], atol=1e-3)


def test_the_first_frame_stands_alone_in_its_group():
    groups = group_frames(torch.arange(9.0)[None])
    assert groups.tolist() == [[[0, 0, 0, 0], [1, 2, 3, 4], [5, 6, 7, 8]]]


# Whisper


def tiny_encoder(n_ctx=100):
    torch.manual_seed(0)
    return AudioEncoder(n_mels=80, n_ctx=n_ctx, n_state=32, n_head=2, n_layer=2).eval()


def noise(seconds, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * 16000)).astype(np.float32)


@pytest.mark.parametrize("seconds", [0.01, 1.0, 2.0, 7.3])
def test_audio_of_any_length_has_fifty_states_a_second(seconds):
    states = WhisperFeatures(tiny_encoder())(noise(seconds))
    assert states.shape == (int(np.ceil(seconds * FEATURE_RATE)), 3, 32)
    assert states.isfinite().all()


def test_the_last_state_is_the_encoders_own():
    encoder = tiny_encoder()
    from whisper.audio import log_mel_spectrogram

    audio = noise(2.0)
    features = WhisperFeatures(encoder)
    mel = log_mel_spectrogram(torch.from_numpy(audio), 80)
    assert torch.allclose(features._hidden_states(mel[None])[:, -1], encoder(mel[None])[0], atol=1e-5)


def test_a_later_sound_changes_no_distant_state():
    features, audio = WhisperFeatures(tiny_encoder()), noise(12.0)
    other = audio.copy()
    other[-16000:] = 0
    assert torch.equal(features(audio)[:300], features(other)[:300])


def test_a_hugging_face_folder_and_openai_names_are_one_encoder(tmp_path):
    torch.manual_seed(0)
    config = WhisperConfig(
        d_model=32, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=128, decoder_layers=1,
        decoder_attention_heads=2, decoder_ffn_dim=64, max_source_positions=100, num_mel_bins=80, vocab_size=64,
        pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
    )  # fmt: skip
    theirs = WhisperModel(config).eval()
    theirs.save_pretrained(tmp_path)
    features = load_whisper(tmp_path)
    mel = numbers(1, 80, 200)
    with torch.no_grad():
        expected = theirs.encoder(mel, output_hidden_states=True).hidden_states
        actual = features._hidden_states(mel)
    for layer, states in enumerate(expected):
        assert torch.allclose(actual[:, layer], states[0], atol=1e-4), layer


def test_a_pt_file_of_openai_whisper_is_read_without_unpickling(tmp_path):
    encoder = tiny_encoder()
    dims = {"n_mels": 80, "n_audio_ctx": 100, "n_audio_state": 32, "n_audio_head": 2, "n_audio_layer": 2}
    state = {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
    torch.save(
        {"dims": dims, "model_state_dict": {**state, "decoder.x": torch.zeros(1)}}, tmp_path / "tiny.pt"
    )
    audio = noise(1.0)
    assert torch.equal(load_whisper(tmp_path / "tiny.pt")(audio), WhisperFeatures(encoder)(audio))


def test_layers_may_be_chosen():
    every, last = WhisperFeatures(tiny_encoder()), WhisperFeatures(tiny_encoder(), (2,))
    assert torch.equal(every(noise(1.0))[:, 2:], last(noise(1.0)))


@pytest.mark.parametrize(
    "audio", [np.zeros(0, np.float32), np.zeros((2, 5), np.float32), np.full(9, np.nan, np.float32)]
)
def test_audio_that_is_none_is_refused(audio):
    with pytest.raises(InputError, match="audio"):
        WhisperFeatures(tiny_encoder())(audio)


def test_a_folder_without_whisper_is_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"config\.json is missing"):
        load_whisper(tmp_path)


# Faces


def test_a_mask_covers_the_face_and_nothing_far_from_it():
    mask = face_mask(np.array([[32, 32, 64, 64]], np.float32), (128, 96), 16)
    assert mask.shape == (1, 6, 8)
    assert mask[0, 2:4, 2:4].min() == 1
    assert mask[0, :1].max() == 0 and mask[0, :, 6:].max() == 0


def test_a_moving_face_stays_in_the_mask_of_its_latent_frame():
    boxes = np.array([[x, 32, x + 32, 64] for x in range(0, 85, 5)], np.float32)
    mask = face_mask(boxes, (128, 96), 16)
    assert mask.shape == (5, 6, 8)
    for latent, frames in ((0, [0]), (1, [1, 4]), (4, [13, 16])):
        for frame in frames:
            left, right = int(np.ceil(boxes[frame, 0] / 16)), int(boxes[frame, 2] // 16)
            assert mask[latent, 2:4, left:right].min() == 1, (latent, frame)
    assert mask_tokens(mask, 5).shape == (1, 240, 1)


def test_smoothing_follows_the_face_without_its_jitter():
    rng = np.random.default_rng(0)
    path = np.linspace(0, 50, 50)[:, None] + np.array([0, 0, 30, 30])
    shaken = (path + rng.normal(0, 3, path.shape)).astype(np.float32)
    assert np.abs(smooth_boxes(shaken, 25.0) - path)[5:-5].mean() < 0.6 * np.abs(shaken - path).mean()


@pytest.mark.parametrize(
    "box", [[5, 5, 5, 9], [9, 5, 5, 9], [200, 0, 220, 20], [-20, 0, -1, 20], [0, 0, np.nan, 5]]
)
def test_a_box_that_holds_no_face_is_refused(box):
    with pytest.raises(InputError, match="face"):
        face_mask(np.array([box], np.float32), (128, 96), 16)


# Motion and expression


def test_a_nodding_puppet_moves_its_head_more_than_a_still_one():
    rng = np.random.default_rng(0)
    strengths = {}
    for action in ("still", "nodding", "swaying"):
        puppet = replace(sample_puppet(rng), action=action, expression="neutral")
        strengths[action] = motion_strength(render_puppet(puppet, 33).keypoints)
    assert strengths["still"][0] < 0.2 * min(strengths["nodding"][0], strengths["swaying"][0])


def test_a_talking_puppet_moves_its_face_more_than_a_silent_one():
    puppet = replace(sample_puppet(np.random.default_rng(2)), action="still", expression="neutral")
    tracks = make_tracks(puppet, 33, 8.0)
    silent = render_puppet(puppet, tracks=with_mouth(tracks, np.zeros(33, np.float32)))
    talking = render_puppet(puppet, tracks=with_mouth(tracks, (np.arange(33) % 2).astype(np.float32)))
    assert motion_strength(talking.keypoints)[1] > 2 * motion_strength(silent.keypoints)[1]


def test_no_face_has_no_strength():
    assert motion_strength(np.zeros((5, 133, 3))) == (0.0, 0.0)


def test_a_crop_shows_the_face_wherever_it_is():
    frames = np.zeros((2, 64, 96, 3), np.uint8)
    frames[0, 10:30, 10:30], frames[1, 30:50, 70:90] = 255, 255
    boxes = np.array([[10, 10, 30, 30], [70, 30, 90, 50]])
    crops = crop_faces(frames, boxes, 32)
    assert crops.shape == (2, 3, 32, 32)
    assert torch.allclose(crops[0], crops[1], atol=1e-4)
    assert crops[0, :, 8:24, 8:24].min() > 0.99 and crops[0, :, 0].max() < -0.99
    vectors = ExpressionEncoder(32, 8, 16)(crops)
    assert torch.allclose(vectors.square().mean(1), torch.ones(2), atol=1e-4)


# The conditioner


def conditioner(**changes):
    settings = {
        "hidden_size": 32, "latent_channels": 4, "context_dim": 16, "audio_layers": 3, "audio_width": 8,
        "audio_steps": 4, "audio_tokens": 2, "expression_width": 6, "expression_tokens": 3,
    }  # fmt: skip
    torch.manual_seed(3)
    return AvatarConditioner(**settings | changes).eval()


def signals(batch=1, **changes):
    mask = torch.zeros(3, 4, 4)
    mask[:, 1:3, 1:3] = 1
    face = FaceSignals(mask, numbers(batch, 3, 4, 3, 8), numbers(batch, 3, 4, 6))
    given = {
        "reference": numbers(batch, 4, 1, 8, 8),
        "faces": (face,),
        "pose": numbers(batch, 4, 3, 8, 8),
        "motion": numbers(batch, 2).abs(),
    }
    return AvatarSignals(**given | changes)


TEXT = TextConditioning(numbers(1, 5, 24), None, numbers(1, 12))
LATENTS, SIGMA = numbers(1, 4, 3, 8, 8), torch.tensor([0.7])


@torch.no_grad()
def test_before_training_an_avatar_is_the_base_model_bit_for_bit():
    base = tiny_transformer(VideoTransformer)
    expected = base(LATENTS, SIGMA, Conditioning(TEXT))
    made = conditioner()
    prepare_transformer(base, made)
    assert base.config.in_channels == 2 * 4
    assert torch.equal(base(LATENTS, SIGMA, made(TEXT, signals(), 3)), expected)


@torch.no_grad()
def test_every_signal_reaches_the_output_once_its_layers_are_trained():
    model, made = tiny_transformer(VideoTransformer), conditioner()
    prepare_transformer(model, made, every=1)
    torch.manual_seed(4)
    for parameter in [*model.parameters(), *made.parameters()]:
        torch.nn.init.normal_(parameter, std=0.2)
    whole = signals()
    face = whole.faces[0]
    expected = model(LATENTS, SIGMA, made(TEXT, whole, 3))
    for other in (
        replace(whole, reference=whole.reference + 1),
        replace(whole, pose=None),
        replace(whole, motion=None),
        replace(whole, faces=(replace(face, audio=None),)),
        replace(whole, faces=(replace(face, expression=None),)),
        replace(whole, faces=(replace(face, strength=0.5),)),
        replace(whole, faces=(face, face)),
    ):
        assert (model(LATENTS, SIGMA, made(TEXT, other, 3)) - expected).abs().max() > 1e-4


@torch.no_grad()
def test_a_conditioner_is_saved_and_comes_back(tmp_path):
    made = conditioner()
    made.save_pretrained(tmp_path)
    again = AvatarConditioner.from_pretrained(tmp_path).eval()
    first, second = made(TEXT, signals(), 3), again(TEXT, signals(), 3)
    assert torch.allclose(first.contexts["audio"][0].tokens, second.contexts["audio"][0].tokens, atol=1e-6)


def test_a_signal_without_layers_is_refused():
    with pytest.raises(ConfigError, match="pose"):
        conditioner(has_pose=False)(TEXT, signals(), 3)
    with pytest.raises(ConfigError, match="audio"):
        conditioner(audio_layers=0)(TEXT, signals(), 3)


def test_a_model_that_takes_other_channels_is_refused():
    with pytest.raises(ConfigError, match="channels"):
        prepare_transformer(VideoTransformer(**TINY_TRANSFORMER | {"in_channels": 9}), conditioner())
