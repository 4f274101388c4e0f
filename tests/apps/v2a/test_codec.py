"""The codec: spectrograms as librosa makes them, latents of any length, vocoders that own their spectrograms."""

import json
import math
from dataclasses import asdict, replace

import librosa
import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from apps.v2a.codec import (
    Codec,
    HiFiGanVocoder,
    MelSpec,
    MelVAE,
    VocosVocoder,
    load_codec,
    load_vocoder,
    log_mel,
)
from apps.v2a.codec.evaluation import audible, evaluate_codec
from shared.errors import ConfigError, InputError, WeightsError

SPEC = MelSpec(n_fft=256, hop_length=64, n_mels=16)
SIZE = {"dim": 16, "intermediate_dim": 16, "num_layers": 1}


def mel_vae(spec=SPEC):
    torch.manual_seed(0)
    vae = MelVAE(mel=asdict(spec), latent_channels=2, block_out_channels=(8, 8), patch_size=(2, 4))
    return vae.eval().requires_grad_(False)


def vocoder(spec=SPEC):
    torch.manual_seed(1)
    return VocosVocoder(spec, SIZE).eval().requires_grad_(False)


@pytest.fixture
def codec():
    return Codec(mel_vae(), vocoder())


@pytest.fixture
def folder(tmp_path):
    mel_vae().save_pretrained(tmp_path / "mel_vae")
    vocoder().save_pretrained(tmp_path / "vocoder", torch.float32)
    return tmp_path


def test_the_spectrogram_is_librosas():
    waveform = np.random.default_rng(0).standard_normal(8192).astype(np.float32)
    spec = MelSpec(padding="center")
    ours = log_mel(torch.from_numpy(waveform)[None], spec)[0].numpy()
    magnitudes = np.abs(librosa.stft(waveform, n_fft=1024, hop_length=256, pad_mode="reflect"))
    filters = librosa.filters.mel(sr=16_000, n_fft=1024, n_mels=64, fmin=0, fmax=8000)
    theirs = np.log(np.maximum(filters @ magnitudes, 1e-5)).T
    assert ours.shape == theirs.shape == (spec.frames(8192), 64)
    assert np.abs(ours - theirs).max() < 1e-3


def test_frames_sit_in_the_middle_of_their_hops():
    spec = MelSpec()
    waveform = torch.zeros(1, 40 * 256)
    waveform[0, 20 * 256 + 128] = 1.0
    mel = log_mel(waveform, spec)
    assert mel.shape == (1, 40, 64)
    assert int(mel.exp().sum(2).argmax()) == 20
    assert spec.frame_rate == 62.5


def test_nothing_is_quieter_than_the_floor():
    mel = log_mel(torch.zeros(1, 4096), MelSpec())
    assert torch.all(mel == MelSpec().lowest)
    assert MelSpec().lowest == pytest.approx(math.log(1e-5), abs=1e-6)


def test_gradients_flow_through_silence():
    waveform = torch.zeros(1, 4096, requires_grad=True)
    log_mel(waveform + 0.0, MelSpec()).sum().backward()
    assert torch.isfinite(waveform.grad).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"hop_length": 0},
        {"hop_length": 2048},
        {"fmax": 9000.0},
        {"floor": 0.0},
        {"padding": "none"},
        {"filters": "bark"},
        {"n_mels": "64"},
        {"bands": 64},
    ],
)
def test_a_spectrogram_that_cannot_be_is_refused(wrong):
    with pytest.raises(ConfigError, match="mel spectrogram"):
        MelSpec.from_mapping(wrong)


def test_latents_are_pictures_of_time_and_frequency(codec):
    latents = codec.encode(torch.randn(2, 64 * 10))
    assert latents.shape == (2, 2, 5, 2)
    assert codec.latent_shape == (2, 2)
    assert codec.latent_rate == 16_000 / 128
    assert codec.decode(latents).shape == (2, 640)


@pytest.mark.parametrize("padding", ["same", "center"])
@pytest.mark.parametrize("samples", [1, 100, 639, 640, 641, 5000])
def test_sounds_of_any_length_come_back_as_long_as_they_were(padding, samples):
    spec = replace(SPEC, padding=padding)
    codec = Codec(mel_vae(spec), vocoder(spec))
    latents = codec.encode(torch.randn(samples))
    assert latents.shape[2] == codec.latent_frames(samples)
    assert codec.samples(latents.shape[2]) >= samples
    assert codec.decode(latents, samples).shape == (1, samples)
    with pytest.raises(InputError, match="latent frames have"):
        codec.decode(latents, codec.samples(latents.shape[2]) + 1)


def test_parts_of_a_long_sound_have_the_latents_of_the_whole(codec):
    waveform = torch.randn(64 * 120)
    whole = codec.encode(waveform)
    part = codec.encode(waveform[64 * 20 : 64 * 100])
    torch.testing.assert_close(part[:, :, 15:25], whole[:, :, 25:35], atol=1e-4, rtol=1e-4)


def test_the_posterior_is_sampled_with_a_generator(codec):
    waveform = torch.randn(1280)
    draw = [codec.encode(waveform, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert torch.equal(draw[0], draw[1])
    assert not torch.equal(draw[0], draw[2])


@pytest.mark.parametrize(
    ("waveform", "words"),
    [
        (torch.zeros(0), "do not fit"),
        (torch.zeros(1, 2, 3), "do not fit"),
        (torch.tensor([0.0, torch.nan, torch.inf]), "2 of 3 samples are not finite"),
    ],
)
def test_samples_that_are_none_are_refused(codec, waveform, words):
    with pytest.raises(InputError, match=words):
        codec.encode(waveform)


def test_latents_and_spectrograms_of_another_shape_are_refused(codec):
    with pytest.raises(InputError, match="do not fit"):
        codec.decode(torch.zeros(1, 3, 5, 2))
    with pytest.raises(InputError, match="does not fit"):
        codec.mel_vae.to_latents(torch.zeros(1, 5, 16))


def test_a_mel_vae_for_another_spectrogram_is_refused():
    other = replace(SPEC, hop_length=128, floor=1e-7)
    with pytest.raises(WeightsError, match="hop_length 64 and 128, floor 1e-05 and 1e-07"):
        Codec(mel_vae(), vocoder(other))
    with pytest.raises(ConfigError, match="a multiple of 8"):
        mel_vae(replace(SPEC, n_mels=20))


def test_a_codec_comes_back_from_its_folder(folder, codec):
    again = load_codec(folder)
    assert again.spec == SPEC
    waveform = torch.randn(1280)
    latents = codec.encode(waveform)
    assert torch.equal(again.encode(waveform), latents)
    torch.testing.assert_close(again.decode(latents), codec.decode(latents))


def test_a_released_vocos_folder_loads(tmp_path):
    """config.yaml and pytorch_model.bin, as `vocos` itself writes and reads them."""
    from vocos import Vocos

    torch.manual_seed(0)
    config = released_vocos()
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    theirs = Vocos.from_hparams(str(tmp_path / "config.yaml")).eval()
    torch.save(theirs.state_dict(), tmp_path / "pytorch_model.bin")
    ours = load_vocoder(tmp_path)
    assert isinstance(ours, VocosVocoder)
    assert (ours.spec.sample_rate, ours.spec.n_mels, ours.spec.floor) == (24_000, 20, 1e-7)
    waveform = torch.randn(1, 6000)
    features = theirs.feature_extractor(waveform)
    torch.testing.assert_close(log_mel(waveform, ours.spec).transpose(1, 2), features, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(ours(features.transpose(1, 2)), theirs.decode(features), atol=1e-5, rtol=1e-4)


def released_vocos():
    return {
        "feature_extractor": {
            "class_path": "vocos.feature_extractors.MelSpectrogramFeatures",
            "init_args": {"sample_rate": 24000, "n_fft": 256, "hop_length": 64, "n_mels": 20},
        },
        "backbone": {
            "class_path": "vocos.models.VocosBackbone",
            "init_args": {"input_channels": 20, "dim": 16, "intermediate_dim": 16, "num_layers": 1},
        },
        "head": {
            "class_path": "vocos.heads.ISTFTHead",
            "init_args": {"dim": 16, "n_fft": 256, "hop_length": 64, "padding": "center"},
        },
    }


@pytest.mark.parametrize(
    ("part", "key", "value", "words"),
    [
        ("head", "class_path", "os.system", "names 'os.system' as its head"),
        (
            "feature_extractor",
            "class_path",
            "vocos.feature_extractors.EncodecFeatures",
            "only vocos.feature_extractors",
        ),
        ("head", "init_args", {"dim": 16, "n_fft": 512, "hop_length": 64}, "contradicts itself: n_fft 512"),
        ("backbone", "init_args", {"input_channels": 20, "width": 16}, "contradicts itself: dim 16"),
        ("backbone", "class_path", None, "as its backbone"),
        ("backbone", "init_args", 7, "is no configuration of Vocos"),
    ],
)
def test_a_vocos_folder_that_names_anything_else_is_refused(tmp_path, part, key, value, words):
    config = released_vocos()
    config[part][key] = value
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises((ConfigError, WeightsError), match=words):
        load_vocoder(tmp_path)


def test_a_pickle_that_runs_code_is_not_run(folder):
    class Attack:
        def __reduce__(self):
            return (open, (str(folder / "attacked"), "w"))

    (folder / "vocoder" / "model.safetensors").unlink()
    torch.save({"head.out.bias": Attack()}, folder / "vocoder" / "pytorch_model.bin")
    with pytest.raises(WeightsError):
        load_codec(folder)
    assert not (folder / "attacked").exists()


HIFIGAN = {
    "model_in_dim": 80,
    "upsample_initial_channel": 16,
    "resblock_kernel_sizes": [3],
    "resblock_dilation_sizes": [[1]],
    "model_type": "speecht5_hifigan",
}


def test_a_released_hifigan_folder_loads_with_its_own_spectrogram(tmp_path):
    from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

    torch.manual_seed(0)
    theirs = SpeechT5HifiGan(SpeechT5HifiGanConfig(**HIFIGAN)).eval()
    theirs.config.save_pretrained(tmp_path)
    torch.save(theirs.state_dict(), tmp_path / "pytorch_model.bin")
    ours = load_vocoder(tmp_path)
    assert isinstance(ours, HiFiGanVocoder)
    assert (ours.spec.n_mels, ours.spec.logarithm, ours.spec.fmin) == (80, "decimal", 80.0)
    mel = torch.randn(1, 5, 80)
    torch.testing.assert_close(ours(mel), theirs(mel))
    assert ours(mel).shape == (1, ours.spec.hop_length * 5)


def test_a_hifigan_of_ones_own_spectrogram_is_saved_and_loaded(tmp_path):
    spec = replace(SPEC, hop_length=16)
    config = {**HIFIGAN, "model_in_dim": 16, "upsample_rates": [4, 4], "upsample_kernel_sizes": [8, 8]}
    made = HiFiGanVocoder(spec, config).eval()
    made.save_pretrained(tmp_path)
    again = load_vocoder(tmp_path)
    assert again.spec == spec
    mel = torch.randn(2, 6, 16)
    torch.testing.assert_close(again(mel), made(mel))
    latents = Codec(mel_vae(spec), again).encode(torch.randn(640))
    assert Codec(mel_vae(spec), again).decode(latents, 640).shape == (1, 640)
    (tmp_path / "mel.json").unlink()
    with pytest.raises(WeightsError, match=r"put mel\.json in it"):
        load_vocoder(tmp_path)
    with pytest.raises(ConfigError, match="cannot take spectrograms"):
        HiFiGanVocoder(replace(spec, n_mels=8), config)


@pytest.mark.parametrize(
    ("place", "content", "words"),
    [
        ("vocoder/config.yaml", None, "holds no vocoder"),
        ("vocoder/model.safetensors", None, "holds no weights"),
        ("vocoder/model.safetensors", b"cut", "damaged or cut"),
        ("vocoder/mel.json", b"{", "says no spectrogram"),
        ("mel_vae/config.json", None, "holds no mel VAE"),
        ("mel_vae/config.json", b"{", "cannot be read"),
        ("mel_vae/config.json", b'{"_class_name": "AutoencoderKL"}', "a MelVAE is needed"),
        ("mel_vae/diffusion_pytorch_model.safetensors", b"cut", "cannot be loaded"),
    ],
)
def test_damaged_folders_are_refused_in_one_line(folder, place, content, words):
    (folder / place).unlink()
    if content is not None:
        (folder / place).write_bytes(content)
    with pytest.raises(WeightsError, match=words):
        load_codec(folder)


def test_weights_of_another_width_are_refused(folder):
    config = yaml.safe_load((folder / "vocoder" / "config.yaml").read_text())
    config["backbone"]["init_args"]["num_layers"] = 2
    (folder / "vocoder" / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(WeightsError, match="do not fit their configuration"):
        load_codec(folder)
    config = json.loads((folder / "mel_vae" / "config.json").read_text())
    (folder / "mel_vae" / "config.json").write_text(json.dumps({**config, "layers_per_block": 2}))
    with pytest.raises(WeightsError, match="mel_vae"):
        load_codec(folder)


def test_a_saved_vocoder_is_in_half_precision(folder):
    vocoder().save_pretrained(folder / "half")
    assert {t.dtype for t in load_file(folder / "half" / "model.safetensors").values()} == {torch.bfloat16}
    assert next(load_vocoder(folder / "half").parameters()).dtype == torch.float32


def test_only_audible_frames_count():
    codec = Codec(mel_vae(), vocoder())
    waveform = np.zeros(64 * 10, np.float32)
    waveform[64 * 4 : 64 * 6] = 0.1
    assert np.flatnonzero(audible(waveform, codec)).tolist() == [4, 5]


def test_the_codec_is_measured_on_held_out_sounds(codec):
    scores = evaluate_codec(codec, 3)
    assert scores.shares["rendered"]["events heard"] == 1.0
    assert scores.shares["round trip"]["events heard"] < 1.0
    assert scores.figures["log-mel L1, round trip (natural log)"] > 1.0
    assert set(scores.shares["onsets"]) == {"kept", "within 20 ms"}


class Perfect(torch.nn.Module):
    """A vocoder that knows the answer."""

    def __init__(self, waveform):
        super().__init__()
        self.spec, self.waveform = SPEC, torch.from_numpy(waveform)[None]

    def forward(self, mel):
        return self.waveform


def test_a_perfect_vocoder_has_no_error():
    from shared.toybox.sounds.sound import toy_sound

    seed = next(seed for seed in range(9) if toy_sound(seed, "heldout").facts.events)
    codec = Codec(mel_vae(), Perfect(toy_sound(seed, "heldout").waveform))
    scores = evaluate_codec(codec, 1, seed)
    assert scores.figures["log-mel L1, round trip (natural log)"] < 1e-6
    assert scores.figures["log-mel L1, mel VAE alone (natural log)"] > 0.1
    assert scores.shares["onsets"] == {"kept": 1.0, "within 20 ms": 1.0}
