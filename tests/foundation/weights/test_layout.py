"""The map between the official layout and diffusers', for weights and adapters."""

import pytest
import torch
from diffusers import HunyuanVideoTransformer3DModel
from diffusers.loaders.single_file_utils import convert_hunyuan_video_transformer_to_diffusers
from hypothesis import given
from hypothesis import strategies as st
from official import official_state, told_transformer
from tiny_models import tiny_transformer

from foundation.transformer.model import VideoTransformer
from foundation.weights.adapter_layout import adapter_to_diffusers, adapter_to_official
from foundation.weights.layout import LAYERS, join, to_diffusers, to_official
from shared.errors import WeightsError


def joined(parts):
    return {key: join(rows) for key, rows in parts.items()}


def assert_same(actual, expected):
    assert actual.keys() == expected.keys()
    for key, tensor in expected.items():
        assert torch.equal(actual[key], tensor), key


@pytest.mark.parametrize("changes", [{}, {"guidance_embeds": True}, {"mlp_ratio": 3.0}, {"in_channels": 9}])
def test_official_weights_become_ours_and_back(changes):
    model = tiny_transformer(VideoTransformer, **changes)
    official = official_state(model)
    assert_same(joined(to_diffusers(official)), model.state_dict())
    assert_same(joined(to_official(model.state_dict())), official)


def test_conversion_copies_nothing_on_the_way_in():
    official = official_state(told_transformer())
    storages = {tensor.untyped_storage().data_ptr() for tensor in official.values()}
    rows = [part for parts in to_diffusers(official).values() for part in parts]
    assert {part.untyped_storage().data_ptr() for part in rows} <= storages


def test_the_released_architecture_has_the_official_number_of_tensors():
    with torch.device("meta"):
        model = VideoTransformer()
    assert len(model.state_dict()) == 1264
    assert len(to_official(model.state_dict())) == 856


def test_diffusers_own_converter_agrees_where_it_works():
    """It wants hidden 3072 for the fused layers; the rest of its map does not depend on the width."""
    with torch.device("meta"):
        model = HunyuanVideoTransformer3DModel(num_layers=1, num_single_layers=1, num_refiner_layers=1)
    state = joined(to_official(model.state_dict()))
    theirs = convert_hunyuan_video_transformer_to_diffusers(dict(state))
    ours = joined(to_diffusers(state))
    assert {key: tensor.shape for key, tensor in ours.items()} == {
        key: tensor.shape for key, tensor in theirs.items()
    }


def test_foreign_and_incomplete_layers_are_named():
    official = official_state(told_transformer())
    with pytest.raises(WeightsError, match=r"double_blocks\.0\.img_attn_kv is no layer"):
        to_diffusers({**official, "double_blocks.0.img_attn_kv.weight": torch.zeros(1, 1)})
    own = told_transformer().state_dict()
    del own["transformer_blocks.0.attn.to_k.weight"]
    with pytest.raises(WeightsError, match=r"transformer_blocks\.0\.attn\.to_k\.weight is missing"):
        to_official(own)


# -- adapters ----------------------------------------------------------------------------------------------

MODEL = {"num_layers": 1, "num_single_layers": 1, "num_refiner_layers": 1}


def random_adapter(state, rank, alpha=None, seed=0):
    """A LoRA on every linear layer of a state dict."""
    generator = torch.Generator().manual_seed(seed)
    adapter = {}
    for key, weight in state.items():
        if not key.endswith(".weight") or weight.ndim != 2:
            continue
        layer = key.removesuffix(".weight")
        adapter[f"{layer}.lora_A.weight"] = torch.randn(rank, weight.shape[1], generator=generator)
        adapter[f"{layer}.lora_B.weight"] = torch.randn(weight.shape[0], rank, generator=generator)
        if alpha is not None:
            adapter[f"{layer}.alpha"] = torch.tensor(float(alpha))
    return adapter


def merged(state, adapter):
    """Weights with the adapter's update added."""
    result = dict(state)
    for key, down in adapter.items():
        if key.endswith(".lora_A.weight"):
            layer = key.removesuffix(".lora_A.weight")
            scale = float(adapter.get(f"{layer}.alpha", torch.tensor(len(down)))) / len(down)
            result[f"{layer}.weight"] = (
                result[f"{layer}.weight"] + scale * adapter[f"{layer}.lora_B.weight"] @ down
            )
    return result


@given(rank=st.integers(1, 4), alpha=st.sampled_from([None, 1.0, 8.0]))
def test_an_official_adapter_moves_our_weights_alike(rank, alpha):
    model = told_transformer(**MODEL)
    official = official_state(model)
    adapter = random_adapter(official, rank, alpha)
    expected = joined(to_diffusers(merged(official, adapter)))
    actual = merged(model.state_dict(), adapter_to_diffusers(adapter))
    for key, tensor in expected.items():
        torch.testing.assert_close(actual[key], tensor, atol=1e-4, rtol=1e-4)
    assert_same(adapter_to_official(adapter_to_diffusers(adapter)), adapter)


@given(
    rank=st.integers(1, 3), alpha=st.sampled_from([None, 2.0]), dropped=st.sampled_from(["to_k", "proj_mlp"])
)
def test_our_adapter_moves_official_weights_alike(rank, alpha, dropped):
    """Parts of a fused layer have factors of their own; one part may have none."""
    model = told_transformer(**MODEL)
    adapter = random_adapter(model.state_dict(), rank, alpha)
    adapter = {key: tensor for key, tensor in adapter.items() if dropped not in key}
    expected = joined(to_official(merged(model.state_dict(), adapter)))
    actual = merged(official_state(model), adapter_to_official(adapter))
    for key, tensor in expected.items():
        torch.testing.assert_close(actual[key], tensor, atol=1e-4, rtol=1e-4)


def test_half_a_pair_is_named():
    with pytest.raises(WeightsError, match=r"single_blocks\.0\.linear1\.lora_B\.weight is missing"):
        adapter_to_diffusers({"single_blocks.0.linear1.lora_A.weight": torch.zeros(2, 32)})


def test_every_layer_of_ours_has_one_place_in_the_official_layout():
    parts = [part for layer in LAYERS.values() for part in layer]
    assert len(parts) == len(set(parts))
