"""Who is heard when: the detector without a model on the toybox's own sounds and a formant voice, and classifiers."""

import json

import numpy as np
import pytest
from formant_voice import voice

from apps.v2a.curation.activity import Activity, category_of, silent_share
from apps.v2a.curation.classifier import ClassifierDetector, tag_of
from apps.v2a.curation.spectral import SpectralDetector
from shared.errors import WeightsError
from shared.toybox.sounds.impacts import SAMPLE_RATE
from shared.toybox.sounds.sound import hum, toy_sound


def planted(category, seed):
    """Samples of a clip whose class is known."""
    toy = toy_sound(seed, music=category in ("sound with music", "pure music"))
    if category == "pure music":
        return (toy.accompaniment + hum(len(toy.accompaniment), 5e-4)).astype(np.float32)
    if category == "sound with speech":
        level = np.random.default_rng(seed).uniform(0.05, 0.3)
        return np.clip(toy.effects + level * voice(seed, toy.seconds), -1, 1).astype(np.float32)
    return toy.waveform


def confusion(seeds):
    detector = SpectralDetector()
    categories = ("pure sound", "sound with speech", "sound with music", "pure music")
    return {
        wanted: [category_of(detector(planted(wanted, seed)).present) for seed in seeds]
        for wanted in categories
    }


def test_each_class_is_told_from_the_others():
    for wanted, found in confusion(range(4)).items():
        assert found == [wanted] * 4


@pytest.mark.slow
def test_on_200_planted_clips_every_class_is_found_with_97_percent_precision_and_recall():
    table = confusion(range(5000, 5050))
    for wanted, found in table.items():
        right = found.count(wanted)
        named = sum(other.count(wanted) for other in table.values())
        assert right / len(found) >= 0.97, (wanted, found)
        assert right / named >= 0.97, (wanted, named)


def test_a_voice_is_tagged_while_it_speaks_and_an_impact_when_it_falls():
    quiet = hum(2 * SAMPLE_RATE, 5e-4)
    speech = np.concatenate([quiet, 0.2 * voice(3, 2.0)]).astype(np.float32)
    for start, stop in SpectralDetector()(speech).spans("speech"):
        assert 1.9 <= start < stop <= 4.1
    toy = toy_sound(2, music=False)
    spans = SpectralDetector()(toy.waveform).spans("sound")
    assert all(any(start - 0.1 <= time <= stop for start, stop in spans) for time in toy.facts.events)


def test_drums_belong_to_the_music_that_they_play_in():
    toys = (toy_sound(seed, music=True) for seed in range(50))
    toy = next(toy for toy in toys if toy.music.instrument == "organ")
    rng = np.random.default_rng(0)
    drum = rng.standard_normal(2400) * np.exp(-np.arange(2400) / (0.02 * SAMPLE_RATE))
    beats = np.zeros(len(toy.accompaniment) + len(drum))
    for start in range(0, len(toy.accompaniment), SAMPLE_RATE // 4):
        beats[start : start + len(drum)] += 0.05 * drum
    band = toy.accompaniment + beats[: len(toy.accompaniment)]
    assert category_of(SpectralDetector()(band.astype(np.float32)).present) == "pure music"


@pytest.mark.parametrize("noise", ["hiss", "mains hum"])
def test_noise_and_hum_are_no_music(noise):
    time = np.arange(4 * SAMPLE_RATE) / SAMPLE_RATE
    rng = np.random.default_rng(0)
    samples = 0.05 * rng.standard_normal(len(time))
    if noise == "mains hum":
        samples = 0.02 * samples + 0.05 * sum(np.sin(2 * np.pi * 50 * k * time) / k for k in range(1, 8))
    assert category_of(SpectralDetector()(samples.astype(np.float32)).present) == "pure sound"


@pytest.mark.parametrize("length", [1, 100, 1024, 5000])
def test_short_and_silent_samples_have_no_tags(length):
    activity = SpectralDetector()(np.zeros(length, np.float32))
    assert activity.present == ()
    assert activity.spans("sound") == []


def test_somebody_who_speaks_over_music_makes_a_clip_with_speech():
    assert category_of({"speech", "music", "sound"}) == "sound with speech"
    assert category_of({"music"}) == "pure music"
    assert category_of(()) == "pure sound"


def test_a_tag_has_to_be_heard_for_long_enough():
    heard = np.ones(100, bool)
    spoken = np.arange(100) < 5
    activity = Activity(10.0, {"speech": spoken, "music": ~heard, "sound": heard})
    assert activity.present == ("sound",)
    assert activity.spans("speech") == [(0.0, 0.5)]


def test_the_pauses_between_bounces_are_no_silence():
    toys = (toy_sound(seed, music=False) for seed in range(40))
    shares = [silent_share(toy.waveform, SAMPLE_RATE) for toy in toys if toy.facts.material == "stone"]
    assert len(shares) > 0
    assert max(shares) < 0.65


def test_silence_is_what_lasts():
    samples = np.zeros(4 * SAMPLE_RATE, np.float32)
    assert silent_share(samples, SAMPLE_RATE) == 1
    samples[SAMPLE_RATE : SAMPLE_RATE * 3 // 2] = 0.1
    assert silent_share(samples, SAMPLE_RATE) == pytest.approx(0.875)
    samples[SAMPLE_RATE * 5 // 2 : SAMPLE_RATE * 3] = 0.1
    assert silent_share(samples, SAMPLE_RATE) == pytest.approx(0.5)
    assert silent_share(samples[:100], SAMPLE_RATE) == 1


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A tiny model that always says the same: its only label that is likely is the one with the largest bias."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForSequenceClassification

    folder = tmp_path_factory.mktemp("classifier")
    labels = {0: "Narration, monologue", 1: "Electric guitar", 2: "Dog", 3: "Silence"}
    config = Wav2Vec2Config(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, conv_dim=(4, 4),
        conv_stride=(16, 20), conv_kernel=(16, 20), num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2,
        classifier_proj_size=4, num_labels=4, id2label=labels,
    )  # fmt: skip
    torch.manual_seed(0)
    model = Wav2Vec2ForSequenceClassification(config)
    torch.nn.init.zeros_(model.classifier.weight)
    model.classifier.bias.data = torch.tensor([0.0, 9.0, 0.0, 0.0])
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(sampling_rate=8000).save_pretrained(folder)
    return folder


def test_a_classifier_tags_each_second_by_its_labels(classifier):
    detector = ClassifierDetector(classifier)
    assert detector.sample_rate == 8000
    activity = detector(np.random.default_rng(0).standard_normal(20_001).astype(np.float32))
    assert activity.present == ("music",)
    assert activity.spans("music") == [(0.0, 3.0)]
    assert detector.identity == ClassifierDetector(classifier).identity


def test_labels_are_understood():
    assert tag_of("Male speech, man speaking") == "speech"
    assert tag_of("Musical instrument") == "music"
    assert tag_of("Silence") is None
    assert tag_of("Glass shatter") == "sound"


def test_a_folder_without_a_fitting_classifier_is_refused(classifier, tmp_path):
    with pytest.raises(WeightsError, match=r"config\.json is missing"):
        ClassifierDetector(tmp_path)
    for file in classifier.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    config["id2label"] = {str(place): f"LABEL_{place}" for place in range(4)}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match="none of them names speech"):
        ClassifierDetector(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="cannot be loaded as an audio classifier"):
        ClassifierDetector(tmp_path)
