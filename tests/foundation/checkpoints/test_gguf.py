"""Quantised files: GGUF in both layouts, and quanto's integers while a folder is loaded."""

import sys

import pytest
import torch
from official import official_state, told_transformer
from tiny_models import relative_difference

from foundation import Conditioning, TextConditioning, VideoTransformer
from foundation.checkpoints.convert import convert
from foundation.checkpoints.loading import load_model
from foundation.checkpoints.tensors import read_tensors
from foundation.runtime.memory import store_in_float8
from foundation.runtime.quantise import quanto_config
from shared.errors import InputError, WeightsError


def velocity(model):
    generator = torch.Generator().manual_seed(3)
    width, pooled = model.config.text_embed_dim, model.config.pooled_projection_dim
    text = TextConditioning(
        torch.randn(1, 5, width, generator=generator), None, torch.randn(1, pooled, generator=generator)
    )
    guidance = torch.tensor([6.0]) if model.config.guidance_embeds else None
    latents = torch.randn(1, model.config.in_channels, 3, 8, 8, generator=generator)
    with torch.no_grad():
        return model(latents, torch.tensor([0.7]), Conditioning(text, guidance))


def write_gguf(path, state, quantised=True):
    """A file as converters write it: 8-bit blocks for matrices, plain numbers for the rest."""
    gguf = pytest.importorskip("gguf")
    writer = gguf.GGUFWriter(path, "hyvid")
    for key, tensor in state.items():
        data, kind = tensor.float().numpy(), gguf.GGMLQuantizationType.F32
        if data.ndim == 5:
            writer.add_array(f"comfy.gguf.orig_shape.{key}", list(data.shape))
            data = data.reshape(data.shape[0], -1)
        elif quantised and data.ndim == 2 and data.shape[1] % 32 == 0:
            kind = gguf.GGMLQuantizationType.Q8_0
            data = gguf.quants.quantize(data, kind)
        writer.add_tensor(key, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize("layout", ["official", "diffusers"])
def test_a_gguf_file_gives_nearly_the_velocity_of_its_original(layout, tmp_path):
    model = told_transformer()
    state = official_state(model) if layout == "official" else model.state_dict()
    path = write_gguf(tmp_path / "model.gguf", state)
    loaded = load_model(VideoTransformer, path, torch.float32)
    assert type(loaded.transformer_blocks[0].attn.to_q).__name__ == "GGUFLinear"
    assert loaded.transformer_blocks[0].attn.to_q.weight.dtype == torch.uint8
    assert relative_difference(velocity(loaded), velocity(model)) < 0.05


def test_a_gguf_file_of_plain_numbers_loses_nothing(tmp_path):
    model = told_transformer()
    path = write_gguf(tmp_path / "model.gguf", official_state(model), quantised=False)
    assert (
        relative_difference(velocity(load_model(VideoTransformer, path, torch.float32)), velocity(model))
        < 1e-6
    )


def test_quantised_files_are_not_converted_and_not_cast_again(tmp_path):
    path = write_gguf(tmp_path / "model.gguf", told_transformer().state_dict())
    with pytest.raises(InputError, match="convert its original"):
        convert(path, tmp_path / "model.safetensors", "official")
    with pytest.raises(InputError, match="8 or fewer"):
        store_in_float8(load_model(VideoTransformer, path, torch.float32), torch.float32)


def test_a_damaged_gguf_file_is_named(tmp_path):
    path = write_gguf(tmp_path / "model.gguf", told_transformer().state_dict())
    whole = path.read_bytes()
    for cut in (3, 40, len(whole) // 2):
        path.write_bytes(whole[:cut])
        with pytest.raises(WeightsError, match=r"model\.gguf"):
            load_model(VideoTransformer, path, torch.float32)


def test_the_package_for_gguf_is_named_when_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gguf", None)
    monkeypatch.setattr("shared.imports.find_spec", lambda _: None)
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    with pytest.raises(InputError, match="needs the package gguf: pip install gguf"):
        read_tensors(tmp_path / "model.gguf")


def test_the_package_for_integers_is_named_when_it_is_missing(monkeypatch):
    monkeypatch.setattr("shared.imports.find_spec", lambda _: None)
    with pytest.raises(
        InputError, match="quantise 'int8' needs the package optimum-quanto: pip install optimum-quanto"
    ):
        quanto_config("int8")
    assert quanto_config("none") is None
    assert quanto_config("float8") is None


@pytest.mark.parametrize(
    ("bits", "limit"),
    [
        ("int8", 0.05),
        pytest.param("int4", 0.6, marks=pytest.mark.slow),  # builds its kernel first
    ],
)
def test_quanto_stores_integers_and_gives_nearly_the_same_velocity(bits, limit, tmp_path):
    pytest.importorskip("optimum.quanto")
    model = told_transformer()
    model.save_pretrained(tmp_path)
    loaded = load_model(VideoTransformer, tmp_path, torch.float32, quanto_config(bits))
    kinds = {type(layer).__name__ for layer in loaded.transformer_blocks.modules()}
    assert "QLinear" in kinds
    assert type(loaded.context_embedder.proj_in).__name__ == "Linear"
    assert relative_difference(velocity(loaded), velocity(model)) < limit
