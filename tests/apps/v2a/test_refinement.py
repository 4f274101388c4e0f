"""Passes that bring a sound's magnitudes to its spectrogram."""

import pytest
import torch

from apps.v2a.codec.mel import MelSpec, log_mel, refined
from apps.v2a.codec.vocoder import VocosVocoder, load_vocoder
from shared.errors import WeightsError
from shared.toybox.sounds.sound import toy_sound

SPECS = [MelSpec(), MelSpec(padding="center", logarithm="decimal", filters="htk")]
SIZE = {"dim": 16, "intermediate_dim": 32, "num_layers": 1}


def sound(spec, frames=40, seed=0):
    return torch.from_numpy(toy_sound(seed).waveform)[None, : spec.samples(frames)]


def error(waveform, mel, spec):
    return float((log_mel(waveform, spec) - mel).abs().mean())


@pytest.mark.parametrize("spec", SPECS, ids=["same", "center"])
def test_a_sound_that_has_its_spectrogram_stays_as_it_is(spec):
    waveform = sound(spec)
    assert torch.allclose(refined(waveform, log_mel(waveform, spec), spec, 2), waveform, atol=1e-4)


@pytest.mark.parametrize("spec", SPECS, ids=["same", "center"])
def test_two_passes_take_away_most_of_what_noisy_phases_leave(spec):
    waveform = sound(spec)
    mel = log_mel(waveform, spec)
    spoiled = waveform * 1.5 + 3e-3 * torch.randn(waveform.shape, generator=torch.Generator().manual_seed(0))
    again = refined(spoiled, mel, spec, 2)
    assert again.shape == waveform.shape
    assert error(again, mel, spec) < 0.4 * error(spoiled, mel, spec)


def test_no_pass_changes_nothing():
    waveform = sound(MelSpec())
    assert refined(waveform, log_mel(waveform, MelSpec()), MelSpec(), 0) is waveform


def test_a_vocoder_keeps_its_passes_and_leaves_them_out_while_it_is_trained(tmp_path):
    torch.manual_seed(0)
    vocoder = VocosVocoder(MelSpec(), SIZE, passes=2)
    vocoder.save_pretrained(tmp_path, torch.float32)
    again = load_vocoder(tmp_path)
    mel = log_mel(sound(MelSpec()), MelSpec())
    assert again.passes == 2
    assert error(again(mel), mel, MelSpec()) < 0.5 * error(again.train()(mel), mel, MelSpec())


@pytest.mark.parametrize("passes", ['"2"', "-1", "1000", "1.5"])
def test_passes_that_cannot_be_are_refused(tmp_path, passes):
    VocosVocoder(MelSpec(), SIZE, passes=2).save_pretrained(tmp_path)
    text = (tmp_path / "mel.json").read_text()
    (tmp_path / "mel.json").write_text(text.replace('"passes": 2', f'"passes": {passes}'))
    with pytest.raises(WeightsError, match="passes is"):
        load_vocoder(tmp_path)
