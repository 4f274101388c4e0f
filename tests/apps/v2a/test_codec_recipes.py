"""The codec's recipes at tiny size: losses that know what is right, resume, and folders that load together."""

import json
import subprocess
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from apps.commands import COMMANDS, recipes
from apps.v2a.codec import MelSpec, MelVAE, VocosVocoder, load_codec, load_mel_vae, load_vocoder, log_mel
from apps.v2a.training import mel_vae, vocoder
from apps.v2a.training.codec_data import FULL_SCALE, SoundCrops, rendered_sounds
from apps.v2a.training.codec_losses import MelVAEObjective, VocoderObjective, spectral_losses
from apps.v2a.training.config import MelVAELoss, MelVAEModel, SoundData, VocoderLoss, VocosSize
from foundation.training import cli
from shared.errors import ConfigError
from shared.toybox.sounds.sound import toy_sound

COUNT, SECONDS = 6, 1.0
DATA = [f"data.sounds={COUNT}", f"data.seconds={SECONDS}", "data.frames=16"]
COMMON = [*DATA, "training.batch_size=3", "training.precision='no'", "training.warmup=1"]
MEL = ["mel.n_fft=256", "mel.hop_length=64", "mel.n_mels=16"]
TINY = {
    "mel_vae": [*COMMON, *MEL, "model.latent_channels=2", "model.block_out_channels=[8,8]"],
    "vocoder": [*COMMON, "model.dim=16", "model.intermediate_dim=16", "model.num_layers=1"],
}


def train(name, *overrides):
    cli.main([name, *TINY[name], *overrides], recipes())


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """The sounds, rendered here: the recipe would start processes for that."""
    folder = tmp_path_factory.mktemp("cache")
    rows = [np.rint(toy_sound(seed, seconds=SECONDS).waveform * FULL_SCALE) for seed in range(COUNT)]
    np.save(folder / f"sounds-train-{COUNT}x{SECONDS:g}s.npy", np.stack(rows).astype(np.int16))
    return f"data.cache={folder}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, cache):
    """A codec of a few steps: what it says means little."""
    place = tmp_path_factory.mktemp("codec")
    train("mel_vae", cache, f"training.output={place}/vae", f"export={place}", "training.steps=2")
    own = f"mel_vae={place}/mel_vae"
    train("vocoder", cache, own, f"training.output={place}/vocos", f"export={place}", "training.steps=2")
    return place


def test_the_starters_sizes_stay_within_their_budget():
    with torch.device("meta"):
        parts = (MelVAE(**vars(MelVAEModel())), VocosVocoder(MelSpec(), vars(VocosSize())))
    assert sum(p.numel() for part in parts for p in part.parameters()) <= 1_700_000
    assert parts[0].latent_rate >= 25


def test_both_recipes_write_a_codec_that_loads(folder):
    codec = load_codec(folder)
    assert codec.spec == MelSpec(n_fft=256, hop_length=64, n_mels=16)
    assert codec.decode(codec.encode(torch.zeros(1000)), 1000).shape == (1, 1000)
    for name in ("mel_vae", "vocoder"):
        (run,) = json.loads((folder / name / "training.json").read_text())
        assert (run["recipe"], run["training"]["steps"]) == (name, 2)


def test_latents_have_unit_deviation_after_scaling(folder, cache):
    vae = load_mel_vae(folder / "mel_vae")
    sounds = np.load(f"{cache.removeprefix('data.cache=')}/sounds-train-{COUNT}x{SECONDS:g}s.npy")
    mel = log_mel(torch.from_numpy(sounds.astype(np.float32) / FULL_SCALE), vae.spec)
    assert float(vae.to_latents(mel).std()) == pytest.approx(1, abs=0.02)
    assert vae.config.mel_mean == pytest.approx(float(mel.mean()), abs=1e-3)


def test_the_posterior_is_as_wide_as_it_was_said_to_be(folder):
    posterior = load_mel_vae(folder / "mel_vae").encode(torch.randn(1, 8, 16))
    assert torch.allclose(posterior.std, torch.tensor(0.1), rtol=0.02)


@pytest.mark.parametrize("name", ["mel_vae", "vocoder"])
def test_a_killed_run_reaches_the_same_weights(name, folder, cache, tmp_path):
    own = [cache] if name == "mel_vae" else [cache, f"mel_vae={folder}/mel_vae"]
    for place, steps in (("whole", (3,)), ("resumed", (1, 3))):
        for number in steps:
            output = f"training.output={tmp_path}/{place}"
            train(name, *own, output, f"export={tmp_path}/{place}/out", f"training.steps={number}")
    file = "diffusion_pytorch_model" if name == "mel_vae" else "model"
    first, second = (
        load_file(tmp_path / place / "out" / name / f"{file}.safetensors") for place in ("whole", "resumed")
    )
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_vocoder_trains_on_spectrograms_alone(cache, tmp_path):
    settings = [*MEL, cache, "mel_vae=null", f"export={tmp_path}", f"training.output={tmp_path}/run"]
    train("vocoder", *settings, "training.steps=1")
    assert load_vocoder(tmp_path / "vocoder").spec.n_mels == 16


def test_the_objectives_see_a_perfect_answer():
    spec = MelSpec(n_fft=256, hop_length=64, n_mels=16)
    waveform = torch.randn(2, 1024)

    class Knows(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.spec = spec

        def forward(self, mel):
            return waveform

    loss, parts = VocoderObjective(Knows(), VocoderLoss())({"waveform": waveform})
    assert float(loss) == 0.0
    assert set(parts) == {"mel", "convergence", "magnitude"}
    worse, _ = VocoderObjective(Knows(), VocoderLoss())({"waveform": torch.randn(2, 1024)})
    assert float(worse) > 0.5
    vae = mel_vae.MelVAE(mel=vars(spec), latent_channels=2, block_out_channels=(8, 8))
    noise = torch.zeros(2, 2, 8, 2)
    _, parts = MelVAEObjective(vae, MelVAELoss(), 0.1)({"waveform": waveform, "noise": noise})
    assert float(parts["mel"]) == pytest.approx(float(parts["l1"]) * vae.config.mel_std)


def test_a_batchs_loss_is_the_mean_of_its_samples_losses():
    made, wanted = torch.randn(3, 2048), torch.randn(3, 2048)
    wanted[1] *= 10
    whole = spectral_losses(made, wanted, 256)
    parts = [spectral_losses(made[i : i + 1], wanted[i : i + 1], 256) for i in range(3)]
    for name, value in whole.items():
        assert float(value) == pytest.approx(float(sum(part[name] for part in parts)) / 3, rel=1e-4)


def test_crops_follow_from_their_generator_and_prefer_what_is_loud():
    sounds = np.zeros((1, 16_000), np.int16)
    sounds[0, 8000:] = 10_000
    spec = MelSpec(n_fft=256, hop_length=64, n_mels=16)
    samples = SoundCrops(sounds, SoundData(frames=16, looks=20, quieter=6.0), spec, None)

    def draw(seed):
        return samples.batch([0], [np.random.default_rng(seed)])["waveform"][0]

    assert draw(0).shape == (1024,)
    assert torch.equal(draw(0), draw(0))
    assert not torch.equal(draw(0), draw(1))
    assert all(float(draw(seed).max()) >= 0.5 * 10_000 / FULL_SCALE for seed in range(5))


@pytest.mark.slow
def test_sounds_are_rendered_once_by_all_cores(tmp_path):
    sounds = rendered_sounds(tmp_path, 3, 0.5)
    assert np.array_equal(sounds[2], np.rint(toy_sound(2, seconds=0.5).waveform * FULL_SCALE))
    (file,) = tmp_path.iterdir()
    before = file.stat().st_mtime_ns
    rendered_sounds(tmp_path, 3, 0.5)
    assert file.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("name", "overrides", "words"),
    [
        ("mel_vae", ["mel.sample_rate=24000"], "the toybox sounds at 16000"),
        ("mel_vae", ["data.frames=2000"], "crops of 128000 samples"),
        ("mel_vae", ["data.frames=15"], "a multiple of 2"),
        ("mel_vae", ["mel.padding=none"], "padding 'none'"),
        ("vocoder", ["mel_vae=null", "model.dim=0"], r"model\.dim: 1 to 65536"),
    ],
)
def test_settings_that_cannot_be_are_refused(name, overrides, words, cache, tmp_path):
    settings = [cache, f"training.output={tmp_path}", *overrides]
    with pytest.raises(ConfigError, match=words):
        train(name, *settings, *(MEL if name == "vocoder" else []))


def test_other_processes_than_the_main_one_write_no_folder(cache, folder, tmp_path, monkeypatch):
    other = SimpleNamespace(is_main_process=False, main_process_first=nullcontext)
    for module in (mel_vae, vocoder):
        monkeypatch.setattr(module, "processes", lambda: other)
    own = {"mel_vae": [cache], "vocoder": [cache, f"mel_vae={folder}/mel_vae"]}
    for name, settings in own.items():
        output = f"training.output={tmp_path}/{name}"
        train(name, *settings, output, f"export={tmp_path}/out", "training.steps=1")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mel_vae", "vocoder"])
def test_two_processes_train_what_one_of_them_writes(name, cache, folder, tmp_path):
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    own = [cache] if name == "mel_vae" else [cache, f"mel_vae={folder}/mel_vae"]
    settings = [*TINY[name], *own, f"training.output={tmp_path}/run", f"export={tmp_path}/out"]
    command = ["-m", "apps.cli", "train", name, *settings, "training.steps=2"]
    subprocess.run([*launch, *command], check=True, timeout=400)
    assert any((tmp_path / "out" / name).glob("*.safetensors"))


def test_the_codecs_evaluation_is_registered():
    module, _ = COMMANDS["v2a"].evaluations["codec"]
    assert module == "apps.v2a.codec.evaluation"
