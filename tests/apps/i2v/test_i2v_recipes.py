"""The recipes of image-to-video end to end, at a width that proves the way and not the quality."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from apps.i2v import ImageToVideoPipeline, cli
from apps.i2v.conditioning.variants import OWN
from apps.i2v.training import i2v, i2v_lora, i2v_portrait
from foundation.checkpoints.lora.source import Lora
from foundation.checkpoints.model_folder import FROZEN_FILE, TRAINING_FILE
from foundation.checkpoints.registry import find_parts
from foundation.training.config import SamplingDefaults, Stage, Toybox, Training, Worlds
from foundation.training.flow import FlowObjective

pytestmark = pytest.mark.slow

STAGE = Stage(steps=2, batch_size=2, frames=5, width=32, height=32)
PICTURE = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
PROMPT = "a red circle moves right"


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def settings(model_folder, tmp_path, cache):
    def make(recipe, folder="made", stage=STAGE, **changes):
        training = Training(
            output=str(tmp_path / folder / "run"), precision="no", warmup=1, **changes.pop("training", {})
        )
        return recipe.Config(
            base=str(model_folder),
            cache=cache,
            export=str(tmp_path / folder / "export"),
            toybox=Toybox(worlds=Worlds(scenes=2), variants=1),
            training=training,
            stages={"clips": stage},
            sampling=SamplingDefaults(steps=1),
            longer=4,
            **changes,
        )

    return make


def latents(model, **options):
    """What a clip is decoded from."""
    walked = []
    pipe = ImageToVideoPipeline.from_pretrained(str(model), device="cpu", **options)
    pipe(PICTURE, PROMPT, on_step=lambda step, latents, denoised: walked.append(latents))
    assert pipe.variant == OWN
    return walked[-1]


def test_an_adapter_on_text_to_video_weights_is_a_model_of_its_own(settings, model_folder, tmp_path):
    made = i2v_lora.run(settings(i2v_lora, rank=2))
    assert {file.name for file in made.iterdir()} >= {
        "pytorch_lora_weights.safetensors",
        "modules.safetensors",
    }
    about = json.loads((made / "app.json").read_text())
    assert (about["app"], about["recipe"], about["rank"]) == ("i2v", "i2v_lora", 2)
    assert json.loads((made / TRAINING_FILE).read_text())[-1]["recipe"] == "i2v_lora"
    assert json.loads((made / FROZEN_FILE).read_text()).keys() == {"vae", "text"}
    expected = latents(made)

    own = tmp_path / "model"  # a model folder that holds the app's weights is taken by its own name
    shutil.copytree(model_folder, own)
    shutil.copytree(made, own / "i2v")
    assert torch.equal(latents(own), expected)
    assert "adapter/modules.safetensors" in find_parts(str(own), app="i2v").weights()
    assert find_parts(str(own)).overlay is None


def test_an_adapter_on_image_to_video_weights_is_given_with_lora(settings, i2v_folder, tmp_path, capsys):
    made = i2v_lora.run(settings(i2v_lora, rank=2, start=str(i2v_folder)))
    assert not (made / "app.json").exists()
    assert not torch.equal(latents(i2v_folder, lora=[Lora(made)]), latents(i2v_folder))
    Image.fromarray(PICTURE).save(tmp_path / "cat.png")
    words = (
        f"--image {tmp_path}/cat.png --lora {made} --model {i2v_folder} --device cpu --out {tmp_path}/a.mkv"
    )
    cli.main([*words.split(), "--prompt", PROMPT])
    assert "0 unmatched" in capsys.readouterr().err


def test_whole_weights_are_trained_and_made_into_portraits_from_the_outside_inwards(settings, tmp_path):
    made = i2v.run(settings(i2v, "first", training={"watch_every": 2}, watched=2))
    assert (tmp_path / "first" / "run" / "clips" / "samples-00000002.png").exists()
    assert latents(made).isfinite().all()
    frozen = replace(STAGE, steps=1)
    portrait = i2v_portrait.run(settings(i2v_portrait, "second", frozen, start=str(made), unfreeze_every=10))
    runs = json.loads((portrait / "transformer" / TRAINING_FILE).read_text())
    assert [run["recipe"] for run in runs] == ["i2v", "i2v_portrait"]
    models = [
        ImageToVideoPipeline.from_pretrained(str(folder), device="cpu").transformer.state_dict()
        for folder in (made, portrait)
    ]
    changed = {name for name, value in models[0].items() if not torch.equal(value, models[1][name])}
    assert any(name.startswith("transformer_blocks.0.") for name in changed)
    assert any(name.startswith("single_transformer_blocks.1.") for name in changed)
    assert not any(
        name.startswith(("transformer_blocks.1.", "single_transformer_blocks.0.")) for name in changed
    )


def test_a_run_that_was_killed_reaches_the_same_weights(settings, monkeypatch):
    stage = replace(STAGE, steps=3)
    whole = i2v_lora.run(settings(i2v_lora, "whole", stage, rank=2))
    forward, seen = FlowObjective.forward, []

    def dies(self, batch):
        seen.append(batch)
        if len(seen) == 3:
            raise RuntimeError("killed")
        return forward(self, batch)

    monkeypatch.setattr(FlowObjective, "forward", dies)
    halves = settings(i2v_lora, "halves", stage, rank=2, training={"checkpoint_minutes": 0.0})
    with pytest.raises(RuntimeError, match="killed"):
        i2v_lora.run(halves)
    halves = i2v_lora.run(halves)
    assert len(seen) == 4  # the third step, again
    for file in ("pytorch_lora_weights.safetensors", "modules.safetensors"):
        before, after = load_file(whole / file), load_file(halves / file)
        assert before.keys() == after.keys()
        assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
