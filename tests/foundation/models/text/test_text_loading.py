import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaForCausalLM, LlamaModel

from foundation.checkpoints.text_encoders import (
    load_clip,
    load_mllm,
    load_text_encoder,
    load_tokenizer,
)
from foundation.models.text import MLLMEncoder
from shared.errors import WeightsError


@pytest.fixture(scope="module")
def language_model(starter_folder):
    """A plain Llama, as the released folder has one."""
    config = load_mllm(starter_folder / "text_encoder").config.text_config
    torch.manual_seed(1)
    return LlamaForCausalLM(config).eval()


def _encode(folder, starter_folder):
    encoder = MLLMEncoder(load_mllm(folder, torch.float32), load_tokenizer(starter_folder / "tokenizer"))
    with torch.no_grad():
        return encoder(["a red circle"])[0]


def test_causal_lm_and_base_model_checkpoints_give_the_same_states(language_model, starter_folder, tmp_path):
    language_model.save_pretrained(tmp_path / "causal")
    language_model.model.save_pretrained(tmp_path / "base")
    keys = (set(load_file(tmp_path / name / "model.safetensors")) for name in ("causal", "base"))
    assert [any(key.startswith("model.layers") for key in names) for names in keys] == [True, False]
    for name in ("causal", "base"):
        assert isinstance(load_mllm(tmp_path / name), LlamaModel)
    torch.testing.assert_close(
        _encode(tmp_path / "causal", starter_folder), _encode(tmp_path / "base", starter_folder)
    )


def test_causal_lm_object_is_read_at_the_same_place(language_model, starter_folder):
    tokenizer = load_tokenizer(starter_folder / "tokenizer")
    with torch.no_grad():
        head = MLLMEncoder(language_model, tokenizer)(["a red circle"])[0]
        base = MLLMEncoder(language_model.model, tokenizer)(["a red circle"])[0]
    torch.testing.assert_close(head, base)


def test_weights_are_loaded_in_the_dtype_asked_for(starter_folder):
    assert load_text_encoder(starter_folder)("a circle").embeds.dtype == torch.bfloat16
    assert load_text_encoder(starter_folder, dtype=torch.float32)("a circle").embeds.dtype == torch.float32


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r"text_encoder/config\.json is missing"):
        load_text_encoder(tmp_path)


def test_an_incomplete_checkpoint_is_refused(starter_folder, tmp_path):
    shutil.copytree(starter_folder / "text_encoder", tmp_path / "text_encoder")
    path = tmp_path / "text_encoder" / "model.safetensors"
    tensors = load_file(path)
    lost = next(key for key in tensors if "layers.1.mlp.up_proj" in key)
    save_file({k: v for k, v in tensors.items() if k != lost}, path, metadata={"format": "pt"})
    with pytest.raises(WeightsError, match="up_proj"):
        load_mllm(tmp_path / "text_encoder")


def test_a_pickle_is_not_opened(starter_folder, tmp_path):
    shutil.copytree(starter_folder / "text_encoder", tmp_path / "text_encoder")
    path = tmp_path / "text_encoder" / "model.safetensors"
    torch.save(load_file(path), tmp_path / "text_encoder" / "pytorch_model.bin")
    path.unlink()
    with pytest.raises(WeightsError, match="cannot be loaded"):
        load_mllm(tmp_path / "text_encoder")


def test_an_encoder_that_is_no_language_model_is_refused(starter_folder):
    with pytest.raises(WeightsError, match="decoder-only"):
        load_mllm(starter_folder / "text_encoder_2")


def test_damaged_weights_are_refused(starter_folder, tmp_path):
    shutil.copytree(starter_folder / "text_encoder_2", tmp_path / "clip")
    path = tmp_path / "clip" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(WeightsError, match="cannot be loaded"):
        load_clip(tmp_path / "clip")


def test_a_damaged_tokenizer_is_refused(starter_folder, tmp_path):
    shutil.copytree(starter_folder / "tokenizer", tmp_path / "tokenizer")
    (tmp_path / "tokenizer" / "tokenizer.json").write_text(json.dumps({"broken": True}))
    with pytest.raises(WeightsError, match="tokenizer"):
        load_tokenizer(tmp_path / "tokenizer")
