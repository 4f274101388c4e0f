"""The map between the official layout and diffusers'."""

import pytest
import torch
from diffusers import HunyuanVideoTransformer3DModel
from diffusers.loaders.single_file_utils import convert_hunyuan_video_transformer_to_diffusers
from official import official_state, told_transformer
from tiny_models import tiny_transformer

from foundation.checkpoints.layout import LAYERS, dotted, join, layout_of, to_diffusers, to_official
from foundation.models.transformer.model import VideoTransformer
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


def test_every_layer_of_ours_has_one_place_in_the_official_layout():
    parts = [part for layer in LAYERS.values() for part in layer]
    assert len(parts) == len(set(parts))


def test_a_name_says_its_layout_with_dots_or_underscores():
    for layout, layers in (
        ("official", LAYERS),
        ("diffusers", [part for parts in LAYERS.values() for part in parts]),
    ):
        for layer in (layer.format(17) for layer in layers):
            assert layout_of(layer) == layout
            assert dotted(layer.replace(".", "_")) == layer
    assert layout_of("blocks.0.cross_attn.k") is None
    assert dotted("blocks_0_cross_attn_k") is None
