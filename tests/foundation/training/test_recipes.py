"""The VAE's and the transformer's recipes end to end, at a width that proves the way and not the quality."""

import json

import pytest
import torch

from foundation.training.config import Training
from foundation.training.recipes import t2v, vae
from foundation.training.toy_clips import Worlds
from foundation.transformer.model import VideoTransformer
from foundation.vae.losses import LossWeights
from foundation.vae.model import CausalVideoVAE
from foundation.weights.fingerprint import latents_sha256
from foundation.weights.folder import FROZEN_FILE, TRAINING_FILE

pytestmark = pytest.mark.slow

CROPS = {"frames": 5, "size": 32, "looks": 2, "tiled": True}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


def training(output, steps=2, **changes):
    return Training(output=str(output), steps=steps, batch_size=2, precision="no", warmup=1, **changes)


def train_vae(folder, cache, **changes):
    config = vae.Config(
        model=vae.VAEModel(block_out_channels=[8, 8, 8], latent_channels=4),
        data=vae.Crops(worlds=Worlds(mix=4), cache=cache, **CROPS),
        export=str(folder),
        **{"training": training(folder / "run"), "loss": LossWeights(perceptual=0, adversarial=0)} | changes,
    )
    made = vae.run(config)
    return CausalVideoVAE.from_pretrained(made), json.loads((made / TRAINING_FILE).read_text())


def test_a_decoder_trained_on_its_own_keeps_the_latents(tmp_path, cache):
    first, runs = train_vae(tmp_path / "first", cache)
    assert [run["recipe"] for run in runs] == ["vae"]
    start = str(tmp_path / "first" / "vae")
    decoder, runs = train_vae(tmp_path / "decoder", cache, start=start, decoder_only=True)
    assert len(runs) == 2
    assert latents_sha256(decoder) == latents_sha256(first)
    assert not torch.equal(decoder.decoder.conv_in.conv.weight, first.decoder.conv_in.conv.weight)
    whole, _ = train_vae(tmp_path / "whole", cache, start=start)
    assert latents_sha256(whole) != latents_sha256(first)


def test_pictures_tiles_and_all_losses_of_the_paper_train_together(tmp_path, cache):
    made, _ = train_vae(tmp_path, cache, loss=LossWeights(), tile=16, training=training(tmp_path, steps=6))
    assert torch.isfinite(made.decoder.conv_out.conv.weight).all()
    logged = (tmp_path / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {"l1", "perceptual", "adversarial", "discriminator", "kl"} <= set(logged)


def test_latents_have_unit_deviation_after_scaling(tmp_path, cache):
    made, _ = train_vae(tmp_path, cache)
    clips = vae.rendered_clips(vae.Path(cache), 4)
    scaled = vae.raw_latents(made.float(), clips) * made.config.scaling_factor
    assert float(scaled.std()) == pytest.approx(1, abs=0.02)


def test_a_transformer_is_trained_on_what_it_names_and_goes_on_from_its_folder(model_folder, tmp_path, cache):
    def run(name, **changes):
        config = t2v.Config(
            base=str(model_folder),
            export=str(tmp_path / name),
            training=training(tmp_path / name / "run", watch_every=2),
            watched=2,
            sampling=t2v.SamplingDefaults(steps=2),
            model=t2v.TransformerModel(
                num_attention_heads=2, attention_head_dim=16, num_single_layers=1, rope_axes_dim=[4, 6, 6]
            ),
            data=t2v.ToyboxData(cache=cache, worlds=Worlds(scenes=3, puppets=2), variants=2),
            **changes,
        )
        folder = t2v.run(config) / "transformer"
        return VideoTransformer.from_pretrained(folder), folder

    first, folder = run("first")
    assert (tmp_path / "first" / "run" / "samples-00000002.png").exists()
    assert "scenes.shape" in (tmp_path / "first" / "run" / "scores.csv").read_text()
    frozen = json.loads((folder / FROZEN_FILE).read_text())
    assert frozen["vae"] == latents_sha256(CausalVideoVAE.from_pretrained(model_folder / "vae"))
    second, folder = run("second", start=str(tmp_path / "first"))
    assert len(json.loads((folder / TRAINING_FILE).read_text())) == 2
    for before, after in zip(first.parameters(), second.parameters(), strict=True):
        assert (before - after).abs().max() < 0.5
