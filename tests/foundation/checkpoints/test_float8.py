"""Weights stored in 8-bit floats with a scale per layer, as the official fp8 file has them."""

import pytest
import torch
from official import official_state, told_transformer
from tiny_models import relative_difference

from foundation.checkpoints.convert import convert
from foundation.checkpoints.layout import join, to_diffusers
from foundation.models.float8 import Float8Linear, dequantise
from foundation.models.transformer import Conditioning, TextConditioning
from foundation.models.transformer.model import VideoTransformer
from shared.errors import ConfigError, WeightsError

LARGEST = 448.0


def quantised(state):
    """An official state dict as the official fp8 pair: weights and scales."""
    state, scales = dict(state), {}
    for key, tensor in state.items():
        if (
            key.startswith(("double_blocks.", "single_blocks."))
            and key.endswith(".weight")
            and tensor.ndim == 2
        ):
            scale = (tensor.abs().max() / LARGEST).bfloat16()
            state[key] = (tensor / scale.float()).clamp(-LARGEST, LARGEST).to(torch.float8_e4m3fn)
            scales[key.removesuffix(".weight")] = scale
        else:
            state[key] = tensor.bfloat16()
    return state, scales


@pytest.fixture(scope="module")
def model():
    return told_transformer(num_layers=1, num_single_layers=1, num_refiner_layers=1)


@pytest.fixture
def pair(model, tmp_path):
    """The weights' path; the scales lie beside."""
    state, scales = quantised(official_state(model))
    torch.save({"module": state}, tmp_path / "states_fp8.pt")
    torch.save(scales, tmp_path / "states_fp8_map.pt")
    return tmp_path / "states_fp8.pt"


@torch.no_grad()
def velocity(model):
    generator = torch.Generator().manual_seed(3)
    text = TextConditioning(
        torch.randn(1, 5, 24, generator=generator), None, torch.randn(1, 12, generator=generator)
    )
    latents = torch.randn(1, 4, 2, 4, 4, generator=generator)
    return model(latents, torch.tensor([0.5]), Conditioning(text)).float()


def rounded_model(path):
    """The model whose bfloat16 weights are what the 8-bit ones stand for."""
    state, scales = torch.load(path)["module"], torch.load(path.with_name("states_fp8_map.pt"))
    for layer, scale in scales.items():
        state[f"{layer}.weight"] = dequantise(state[f"{layer}.weight"], scale)
    expected = told_transformer(num_layers=1, num_single_layers=1, num_refiner_layers=1).bfloat16()
    expected.load_state_dict({key: join(rows) for key, rows in to_diffusers(state).items()})
    return expected


def test_8_bit_weights_compute_what_their_bfloat16_product_computes(pair, model):
    own = VideoTransformer.from_single_file(pair)
    assert sum(isinstance(layer, Float8Linear) for layer in own.modules()) == 14 + 6
    assert torch.equal(velocity(own), velocity(rounded_model(pair)))
    assert relative_difference(velocity(own), velocity(model)) < 0.2


def test_they_run_in_the_dtype_of_the_rest(pair):
    own = VideoTransformer.from_single_file(pair, dtype=torch.float32)
    assert own.transformer_blocks[0].attn.to_q.weight.dtype == torch.float8_e4m3fn
    assert own(torch.zeros(1, 4, 1, 2, 2), torch.ones(1), Conditioning(
        TextConditioning(torch.zeros(1, 2, 24), None, torch.zeros(1, 12)))).dtype == torch.float32  # fmt: skip


@pytest.mark.parametrize("cast", [lambda m: m.to(torch.bfloat16), lambda m: m.float(), lambda m: m.half()])
def test_a_cast_that_would_lose_the_scales_is_refused_before_anything_changed(pair, cast):
    own = VideoTransformer.from_single_file(pair, dtype=torch.float32)
    with pytest.raises(ConfigError, match=r"8-bit weights cannot be cast to \w+, their scales would be lost"):
        cast(own)
    assert {parameter.dtype for parameter in own.parameters()} == {torch.float32, torch.float8_e4m3fn}
    assert own.to("cpu") is own
    with pytest.raises(ConfigError, match="their scales would be lost"):
        own.transformer_blocks[0].ff.to(torch.float32)


def test_saving_them_is_refused_with_the_way_out(pair, tmp_path):
    with pytest.raises(ConfigError, match="models convert"):
        VideoTransformer.from_single_file(pair).save_pretrained(tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize(("layout", "name"), [("official", "out.pt"), ("diffusers", "out")])
def test_convert_writes_bfloat16(pair, tmp_path, layout, name):
    convert(pair, tmp_path / "made" / name, layout)
    target = tmp_path / "made" / name
    made = VideoTransformer.from_single_file(target) if target.is_file() else VideoTransformer.from_pretrained(
        target, torch_dtype=torch.bfloat16)  # fmt: skip
    expected = rounded_model(pair).state_dict()
    assert all(torch.equal(tensor, expected[key]) for key, tensor in made.state_dict().items())
    assert {parameter.dtype for parameter in made.parameters()} == {torch.bfloat16}


def test_weights_without_their_scales_are_refused(pair):
    scales = pair.with_name("states_fp8_map.pt")
    content = torch.load(scales)
    scales.unlink()
    with pytest.raises(WeightsError, match=r"the scales beside it are missing: states_fp8_map\.pt"):
        VideoTransformer.from_single_file(pair)
    for change, message in (
        ({"double_blocks.9.img_attn_qkv": torch.tensor(1.0)}, "lacks an 8-bit weight"),
        ({"double_blocks.0.img_attn_qkv": torch.tensor(float("nan"))}, "must be one finite number"),
        ({"double_blocks.0.img_attn_qkv": torch.ones(2)}, "must be one finite number"),
    ):
        torch.save({**content, **change}, scales)
        with pytest.raises(WeightsError, match=message):
            VideoTransformer.from_single_file(pair)
    del content["double_blocks.0.img_attn_qkv"]
    torch.save(content, scales)
    with pytest.raises(WeightsError, match=r"double_blocks\.0\.img_attn_qkv lacks a scale"):
        VideoTransformer.from_single_file(pair)
