"""What an app's recipe writes: a folder that stands on a model, and is loaded with it."""

import json
import shutil

import pytest
import torch
from tiny_models import relative_difference

from foundation.checkpoints.lora.adapters import add_lora
from foundation.checkpoints.model_folder import (
    AppRecord,
    load_transformer,
    name_of_base,
    transformer_sha256,
    write_adapter,
    write_record,
)
from foundation.checkpoints.registry import STARTER, find_parts
from foundation.models.transformer import (
    Conditioning,
    TextConditioning,
    VideoTransformer,
    widen_patch_embedding,
)
from shared.errors import InputError, WeightsError

CONFIG = {"in_channels": 9, "image_condition_type": "latent_concat"}


def predicted(model):
    torch.manual_seed(1)
    config = model.config
    text = TextConditioning(
        torch.randn(1, 3, config.text_embed_dim), None, torch.randn(1, config.pooled_projection_dim)
    )
    latents, channels = torch.randn(1, 4, 2, 4, 4), torch.randn(1, 5, 2, 4, 4)
    with torch.no_grad():
        return model(latents, torch.tensor([0.5]), Conditioning(text, channels=channels))


@pytest.fixture
def base(model_folder, tmp_path):
    return shutil.copytree(model_folder, tmp_path / "base")


@pytest.fixture
def trained(base):
    """A widened model with an adapter, as a recipe leaves it: rounded to what is stored."""
    model = load_transformer(find_parts(str(base)), torch.float32)
    widen_patch_embedding(model, 9)
    add_lora(model, rank=2)
    model.x_embedder.proj.requires_grad_(True)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in (p for p in model.parameters() if p.requires_grad):
            parameter.copy_((parameter + 0.1 * torch.randn_like(parameter)).bfloat16())
    return model


@pytest.fixture
def made(trained, base, tmp_path):
    """The adapter's folder, and what its model predicts."""
    expected, sha256 = predicted(trained), transformer_sha256(find_parts(str(base)))
    folder = tmp_path / "made"
    write_adapter(trained, folder, AppRecord("i2v", "i2v_lora", name_of_base(base), sha256, 2, CONFIG))
    return folder, expected


def test_an_adapter_is_loaded_into_the_weights_of_its_base(made):
    folder, expected = made
    model = load_transformer(find_parts(str(folder)), torch.float32)
    assert not getattr(model, "peft_config", None)
    assert model.config.image_condition_type == "latent_concat"
    assert relative_difference(predicted(model), expected) < 1e-5


def test_a_model_folder_may_hold_what_an_app_made_of_it(made, base):
    folder, expected = made
    shutil.copytree(folder, base / "i2v")
    assert find_parts(str(base)).overlay is None
    parts = find_parts(str(base), app="i2v")
    assert parts.folder == base / "i2v"
    assert {name for name in parts.weights() if name.startswith("adapter/")} == {
        "adapter/modules.safetensors",
        "adapter/pytorch_lora_weights.safetensors",
    }
    assert relative_difference(predicted(load_transformer(parts, torch.float32)), expected) < 1e-5


def test_whole_weights_take_the_rest_from_the_model_that_they_name_or_another(base, tmp_path):
    folder = tmp_path / "whole"
    shutil.copytree(base / "transformer", folder / "transformer")
    write_record(folder, AppRecord("i2v", "i2v", name_of_base(base)))
    parts = find_parts(str(folder))
    assert (parts.transformer, parts.vae, parts.overlay) == (folder / "transformer", base / "vae", None)
    other = shutil.copytree(base, tmp_path / "other")
    assert find_parts(str(folder), base=str(other)).vae == other / "vae"
    shutil.rmtree(base)
    with pytest.raises(WeightsError, match="--base may name"):
        find_parts(str(folder))


def test_an_adapter_for_another_transformer_is_refused(made, base):
    folder, _ = made
    file = base / "transformer" / "diffusion_pytorch_model.safetensors"
    weights = bytearray(file.read_bytes())
    weights[-1] ^= 1
    file.write_bytes(weights)
    with pytest.raises(WeightsError, match="an adapter for another transformer"):
        load_transformer(find_parts(str(folder)), torch.float32)


def test_an_adapter_is_not_quantised(made):
    with pytest.raises(InputError, match="is an adapter"):
        load_transformer(find_parts(str(made[0])), torch.float32, quantisation=object())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"config": {"num_layers": 9}}, "its config is"),
        ({"config": {"in_channels": "9"}}, "its config is"),
        ({"config": {}}, "which the model has no place for"),
        ({"base": 3}, "must name a base"),
        ({"base": "."}, "stands on another model itself"),
    ],
)
def test_a_damaged_record_is_refused_in_a_line(made, monkeypatch, change, words):
    folder, _ = made
    monkeypatch.chdir(folder)
    file = folder / "app.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(WeightsError, match=words):
        load_transformer(find_parts(str(folder)), torch.float32)


def test_damaged_weights_are_refused_in_a_line(made):
    folder, _ = made
    (folder / "modules.safetensors").write_bytes(b"cut")
    with pytest.raises(WeightsError, match="missing or damaged"):
        load_transformer(find_parts(str(folder)), torch.float32)


def test_the_starter_has_one_name_everywhere():
    assert name_of_base(STARTER) == "starter"
    assert isinstance(load_transformer(find_parts("starter"), torch.float32), VideoTransformer)
