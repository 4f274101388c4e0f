"""The VAE's and the transformer's recipes end to end, at a width that proves the way and not the quality."""

import json
from dataclasses import replace

import pytest
import torch

from foundation.checkpoints.defaults import HUNYUANVIDEO, read_defaults
from foundation.checkpoints.hashes import latents_sha256
from foundation.checkpoints.lora.adapters import load_loras
from foundation.checkpoints.lora.source import Lora
from foundation.checkpoints.model_folder import FROZEN_FILE, TRAINING_FILE
from foundation.models.transformer.model import VideoTransformer
from foundation.models.vae.model import CausalVideoVAE
from foundation.training.config import (
    Crops,
    LossWeights,
    SamplingDefaults,
    Stage,
    Toybox,
    Training,
    VAEModel,
    Worlds,
)
from foundation.training.recipes import t2v, t2v_lora, vae
from shared.errors import ConfigError
from shared.media.video import encode
from shared.toybox.mix import toy_clip

pytestmark = pytest.mark.slow

CROPS = {"frames": 5, "clip_size": 64, "size": 32, "looks": 2, "tiled": True, "halved": 0.5}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


def training(output, steps=2, **changes):
    return Training(output=str(output), steps=steps, batch_size=2, precision="no", warmup=1, **changes)


def train_vae(folder, cache, **changes):
    config = vae.Config(
        model=VAEModel(block_out_channels=[8, 8, 8], latent_channels=4),
        data=Crops(worlds=Worlds(mix=4), cache=cache, **CROPS),
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


def flow(recipe, model_folder, tmp_path, cache, **changes):
    return recipe.Config(
        base=str(model_folder),
        export=str(tmp_path / "export"),
        cache=cache,
        toybox=Toybox(worlds=Worlds(scenes=4, puppets=2), variants=2),
        training=training(tmp_path / "run", watch_every=2),
        watched=2,
        sampling=SamplingDefaults(steps=2),
        **changes,
    )


STAGES = {
    "pictures": Stage(steps=2, batch_size=4, frames=1),
    "left out": Stage(steps=0),
    "clips": Stage(steps=4, batch_size=2, frames=9, pictures=0.5),
}
TINY = t2v.TransformerModel(
    num_attention_heads=2, attention_head_dim=16, num_single_layers=1, rope_axes_dim=[4, 6, 6]
)


def test_a_transformer_goes_through_its_stages_and_on_from_its_folder(model_folder, tmp_path, cache):
    first = t2v.run(flow(t2v, model_folder, tmp_path, cache, stages=STAGES, model=TINY)) / "transformer"
    runs = tmp_path / "run"
    assert sorted(path.name for path in runs.iterdir()) == ["clips", "pictures"]
    assert (runs / "clips" / "samples-00000004.png").exists()
    assert "scenes.shape" in (runs / "clips" / "scores.csv").read_text()
    frozen = json.loads((first / FROZEN_FILE).read_text())
    assert frozen["vae"] == latents_sha256(CausalVideoVAE.from_pretrained(model_folder / "vae"))
    stage = {"clips": Stage(steps=1, batch_size=2)}
    start = str(tmp_path / "export")
    config = flow(t2v, model_folder, tmp_path / "second", cache, stages=stage, start=start)
    second = t2v.run(config) / "transformer"
    assert len(json.loads((second / TRAINING_FILE).read_text())) == 2
    models = [VideoTransformer.from_pretrained(folder) for folder in (first, second)]
    for before, after in zip(*(model.parameters() for model in models), strict=True):
        assert (before - after).abs().max() < 0.5


def test_a_recipe_without_a_stage_says_so(model_folder, tmp_path, cache):
    with pytest.raises(ConfigError, match="no stage has any steps"):
        t2v.run(flow(t2v, model_folder, tmp_path, cache, stages={"clips": Stage(steps=0)}))


def test_an_adapter_is_trained_on_a_folder_of_clips_and_loads_where_it_was_made(
    model_folder, tmp_path, cache
):
    folder = tmp_path / "clips"
    folder.mkdir()
    for seed in range(3):
        clip = toy_clip(seed, "scenes")
        encode(clip.frames, 8.0, folder / f"{seed}.mkv")
        (folder / f"{seed}.txt").write_text(clip.caption)
    stages = {"clips": Stage(steps=3, batch_size=2)}
    config = flow(t2v_lora, model_folder, tmp_path, cache, stages=stages, rank=2, data=str(folder))
    made = t2v_lora.run(config)
    (file,) = made.glob("*.safetensors")
    model = VideoTransformer.from_pretrained(model_folder / "transformer")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    load_loras(model, [Lora(file)])
    ups = [value for key, value in model.state_dict().items() if "lora_B" in key]
    assert ups
    assert all(up.abs().max() > 0 for up in ups)
    for key, value in VideoTransformer.from_pretrained(model_folder / "transformer").state_dict().items():
        assert torch.equal(value, before[key])


def test_a_model_with_embedded_guidance_is_trained_and_judged_with_it(model_folder, tmp_path, cache):
    stages = {"clips": Stage(steps=2, batch_size=2, frames=5)}
    guided = replace(TINY, guidance_embeds=True)
    t2v.run(flow(t2v, model_folder, tmp_path, cache, stages=stages, model=guided))
    assert "scenes.shape" in (tmp_path / "run" / "clips" / "scores.csv").read_text()
    assert read_defaults(tmp_path / "export").guidance == HUNYUANVIDEO.guidance
