"""LoRA files: known by their keys, refused when they are anything else, written so that others read them."""

import json

import pytest
import torch
from diffusers.loaders.lora_conversion_utils import _convert_hunyuan_video_lora_to_diffusers
from lora_files import ALPHA, LAYERS, PROGRAMS, RANK, WIDTH, diffusers_factors, write_as
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from foundation.checkpoints.lora.files import read_lora, write_lora
from foundation.checkpoints.lora.metadata import AlphaRule, lora_config
from foundation.checkpoints.lora.pairs import Pair
from foundation.checkpoints.lora.source import Lora, check_loras
from shared.errors import WeightsError

LAYOUT_OF = {
    "diffusers": "diffusers", "diffusers-model": "diffusers", "peft": "diffusers",
    "musubi": "kohya", "onetrainer": "kohya", "comfy": "official", "official": "official",
}  # fmt: skip


def updates(file):
    return {layer: pair.scale * pair.up @ pair.down for layer, pair in file.pairs.items()}


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_same_lora_is_read_from_every_program(program, tmp_path):
    file = read_lora(write_as(program, tmp_path / "any-name.safetensors"))
    assert file.layout == LAYOUT_OF[program]
    assert not file.unknown
    assert {(pair.rank, pair.alpha) for pair in file.pairs.values()} == {(RANK, ALPHA)}
    expected = {layer: ALPHA / RANK * up @ down for layer, (down, up) in diffusers_factors().items()}
    assert file.pairs.keys() == expected.keys()
    for layer, update in updates(file).items():
        assert torch.equal(update, expected[layer]), layer


@pytest.mark.parametrize("first", ["diffusers", "official", "kohya"])
@pytest.mark.parametrize("second", ["diffusers", "official", "kohya"])
def test_a_round_trip_keeps_update_rank_and_alpha(first, second, tmp_path):
    start = read_lora(write_as("musubi", tmp_path / "start.safetensors"))
    pairs = {
        layer: Pair(pair.down + number, pair.up, 3.0)
        for number, (layer, pair) in enumerate(start.pairs.items())
    }
    for layout in (first, second, first):
        write_lora(tmp_path / "next.safetensors", pairs, layout, start.metadata)
        file = read_lora(tmp_path / "next.safetensors")
        assert file.layout == layout
        assert file.metadata["ss_tag"] == "cat"
        pairs = file.pairs
    assert {(pair.rank, pair.alpha) for pair in pairs.values()} == {(RANK, 3.0)}
    for number, (layer, pair) in enumerate(start.pairs.items()):
        expected = 3.0 / RANK * pair.up @ (pair.down + number)
        difference = (updates(file)[layer] - expected).abs().max()
        assert difference <= 1e-6 * expected.abs().max()


def test_kohya_keys_are_those_of_musubi_tuner(tmp_path):
    file = read_lora(write_as("diffusers", tmp_path / "a.safetensors"))
    write_lora(tmp_path / "b.safetensors", file.pairs, "kohya")
    musubi = load_file(write_as("musubi", tmp_path / "c.safetensors"))
    written = load_file(tmp_path / "b.safetensors")
    assert {key: tensor.shape for key, tensor in written.items()} == {
        key: tensor.shape for key, tensor in musubi.items()
    }
    assert all(torch.equal(tensor, musubi[key]) for key, tensor in written.items())


def test_diffusers_own_converter_agrees_on_what_we_write_in_the_official_layout(tmp_path):
    """It knows no alpha, and a fused layer of single blocks at the real width alone."""
    file = read_lora(write_as("diffusers", tmp_path / "a.safetensors"))
    pairs = {
        layer: Pair(pair.down, pair.up, float(RANK))
        for layer, pair in file.pairs.items()
        if not layer.startswith("single") or layer.endswith("proj_out")
    }
    write_lora(tmp_path / "b.safetensors", pairs, "official")
    converted = _convert_hunyuan_video_lora_to_diffusers(load_file(tmp_path / "b.safetensors"))
    assert len(converted) == 2 * len(pairs)
    for layer, pair in pairs.items():
        assert torch.equal(converted[f"transformer.{layer}.lora_A.weight"], pair.down)
        assert torch.equal(converted[f"transformer.{layer}.lora_B.weight"], pair.up)


def test_an_official_file_names_alpha_only_where_it_is_not_the_rank(tmp_path):
    file = read_lora(write_as("peft", tmp_path / "a.safetensors"))
    write_lora(tmp_path / "b.safetensors", file.pairs, "official")
    assert len(load_file(tmp_path / "b.safetensors")) == 3 * len(LAYERS)
    plain = {layer: Pair(pair.down, pair.up, float(RANK)) for layer, pair in file.pairs.items()}
    write_lora(tmp_path / "c.safetensors", plain, "official")
    assert len(load_file(tmp_path / "c.safetensors")) == 2 * len(LAYERS)


def test_the_header_says_rank_alpha_and_layers_as_diffusers_does(tmp_path):
    file = read_lora(write_as("musubi", tmp_path / "a.safetensors"))
    write_lora(tmp_path / "b.safetensors", file.pairs, "diffusers")
    with safe_open(tmp_path / "b.safetensors", "pt") as opened:
        config = json.loads(opened.metadata()["lora_adapter_metadata"])
    assert config["transformer.r"] == RANK
    assert config["transformer.lora_alpha"] == ALPHA
    assert config["transformer.target_modules"] == sorted(file.pairs)


def test_layers_that_differ_from_most_are_named_in_the_configuration():
    one, other = Pair(torch.ones(2, 3), torch.ones(3, 2), 2.0), Pair(torch.ones(5, 3), torch.ones(3, 5), 1.5)
    config = lora_config({"a.x": one, "b.x": one, "x": other})
    assert (config["r"], config["lora_alpha"]) == (2, 2)
    assert config["rank_pattern"] == {"^x": 5}
    assert config["alpha_pattern"] == {"^x": 1.5}


# -- what the header says of alpha -------------------------------------------------------------------------


def rule(**config):
    return AlphaRule.read({"lora_adapter_metadata": json.dumps({"lora_alpha": 8, **config})})


def test_alpha_is_the_rank_unless_something_says_otherwise():
    assert AlphaRule.read({})("any.layer", 4) == 4
    assert rule()("any.layer", 4) == 8


def test_alpha_patterns_mean_ends_of_names_and_the_first_that_fits_holds():
    own = rule(alpha_pattern={"attn.to_q": 1, "^proj_out": 2, r"0\.proj_out": 3, "to_q": 4})
    for layer, alpha in {
        "transformer_blocks.0.attn.to_q": 1,
        "proj_out": 2,
        "single_transformer_blocks.0.proj_out": 3,
        "single_transformer_blocks.1.proj_out": 8,
        "not_to_q": 8,
    }.items():
        assert own(layer, 4) == alpha


def test_rank_stabilised_scaling_becomes_an_alpha():
    assert rule(use_rslora=True)("any.layer", 16) / 16 == 8 / 4


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"alpha_pattern": {"(a+)+": 1}}, "a layer's name is expected"),
        ({"alpha_pattern": [1]}, "names with numbers"),
        ({"alpha_pattern": {"a": "b"}}, "a number is expected"),
        ({"lora_alpha": None}, "a number is expected"),
        ({"lora_alpha": 10**400}, "a number is expected"),
        ({"lora_alpha": float("nan")}, "a number is expected"),
        ({"use_dora": True}, "DoRA"),
    ],
)
def test_a_header_that_says_anything_else_is_refused(config, words):
    with pytest.raises(WeightsError, match=words):
        rule(**config)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, "7"])
def test_a_damaged_header_is_refused(text):
    with pytest.raises(WeightsError, match="a JSON object is expected"):
        AlphaRule.read({"lora_adapter_metadata": text})


# -- what is no LoRA for HunyuanVideo ----------------------------------------------------------------------

DOWN, UP = torch.ones(2, 32), torch.ones(32, 2)
PROJ = "diffusion_model.double_blocks.0.img_attn_proj"


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({f"{PROJ}.lora_A.weight": DOWN}, "has no lora_B or lora_up"),
        ({f"{PROJ}.lora_up.weight": UP}, "has no lora_A or lora_down"),
        (
            {f"{PROJ}.lora_A.weight": DOWN, f"{PROJ}.lora_B.weight": torch.ones(32, 3)},
            "which make no product",
        ),
        ({f"{PROJ}.lora_A.weight": torch.ones(2), f"{PROJ}.lora_B.weight": UP}, "which make no product"),
        (
            {f"{PROJ}.lora_A.weight": torch.ones(0, 32), f"{PROJ}.lora_B.weight": torch.ones(32, 0)},
            "no product",
        ),
        ({f"{PROJ}.lora_A.weight": DOWN.int(), f"{PROJ}.lora_B.weight": UP}, "floating numbers are needed"),
        (
            {
                f"{PROJ}.lora_A.weight": DOWN,
                f"{PROJ}.lora_B.weight": UP,
                f"{PROJ}.alpha": torch.tensor(torch.nan),
            },
            "one finite number is needed",
        ),
        (
            {f"{PROJ}.lora_A.a.weight": DOWN, f"{PROJ}.lora_A.b.weight": DOWN},
            "the same factor of two adapters",
        ),
        (
            {
                f"{name}.lora_{kind}.weight": tensor
                for name in (PROJ, PROJ.removeprefix("diffusion_model."))
                for kind, tensor in (("A", DOWN), ("B", UP))
            },
            "about the same layer",
        ),
        (
            {"blocks.0.cross_attn.k.lora_A.weight": DOWN, "blocks.0.cross_attn.k.lora_B.weight": UP},
            r"no layer of HunyuanVideo's transformer is named.*blocks\.0\.cross_attn\.k",
        ),
        ({f"{PROJ}.lokr_w1": DOWN}, "a LoKr adapter: only LoRAs are read"),
        ({f"{PROJ}.lora_A.weight": DOWN, f"{PROJ}.dora_scale": UP}, "a DoRA"),
        ({"img_in.proj.weight": torch.ones(32, 4, 1, 2, 2)}, "holds a video transformer; a LoRA"),
        ({"weight": DOWN}, "an unknown model"),
    ],
)
def test_what_is_no_lora_for_hunyuanvideo_is_named(tensors, words, tmp_path):
    path = tmp_path / "wrong.safetensors"
    save_file({key: tensor.clone() for key, tensor in tensors.items()}, path)
    with pytest.raises(WeightsError, match=words) as refusal:
        read_lora(path)
    assert str(refusal.value).startswith(str(path))
    assert "\n" not in str(refusal.value)


def test_keys_of_other_models_in_the_same_file_are_kept_apart(tmp_path):
    tensors = load_file(write_as("musubi", tmp_path / "a.safetensors"))
    others = {"lora_te1_layers_0.lora_down.weight": DOWN, "lora_te1_layers_0.lora_up.weight": UP}
    save_file({**tensors, **others, "bundle.alpha": torch.tensor(1.0)}, tmp_path / "b.safetensors")
    file = read_lora(tmp_path / "b.safetensors")
    assert sorted(file.unknown) == ["bundle.alpha", *sorted(others)]


# -- files before torch ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.safetensors", None, "is missing"),
        ("empty.safetensors", b"", "is empty"),
        ("pickle.pt", b"\x80\x02.", "is no .safetensors file"),
        ("noise.safetensors", b"\xff" * 64, "is damaged or cut"),
        ("short.safetensors", b"\x02\0\0\0\0\0\0\0{}", "holds no LoRA: of its 0 tensors"),
    ],
)
def test_a_wrong_path_or_a_damaged_file_is_named(name, content, words, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=words):
        check_loras([Lora(tmp_path / name)])


def test_a_cut_file_is_named_before_anything_is_read(tmp_path):
    path = write_as("comfy", tmp_path / "a.safetensors")
    check_loras([Lora(path)])
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(WeightsError, match="is damaged or cut"):
        check_loras([Lora(path)])


def test_a_folder_means_the_file_that_diffusers_writes_there(tmp_path):
    write_as("diffusers", tmp_path / "pytorch_lora_weights.safetensors")
    check_loras([Lora(tmp_path)])
    with pytest.raises(WeightsError, match="is missing"):
        check_loras([Lora(tmp_path / "..")])


@pytest.mark.parametrize(
    ("written", "file", "scale"),
    [
        ("a.safetensors", "a.safetensors", 1.0),
        ("a.safetensors:0.8", "a.safetensors", 0.8),
        ("a:b.safetensors:-2", "a:b.safetensors", -2.0),
        ("C:\\loras\\a.safetensors", "C:\\loras\\a.safetensors", 1.0),
        ("dir:x/a.safetensors", "dir:x/a.safetensors", 1.0),
    ],
)
def test_a_scale_stands_behind_the_last_colon(written, file, scale):
    lora = Lora.parse(written)
    assert (str(lora.file), lora.scale) == (file, scale)
    assert Lora.parse(str(lora)) == lora


@pytest.mark.parametrize("written", ["", "a:", "a:b", "a:11", "a:-10.5", "a:nan", "a:inf"])
def test_a_scale_that_is_no_number_in_range_is_refused(written):
    with pytest.raises(ValueError, match="FILE or FILE:SCALE with a scale from -10 to 10"):
        Lora.parse(written)


WRAPPED = [
    "_orig_mod.",
    "module.",
    "module._orig_mod.",
    "base_model.model.transformer.",
    "transformer._orig_mod.",
]


@pytest.mark.parametrize("prefix", WRAPPED)
def test_a_lora_of_a_wrapped_model_is_the_lora_of_the_model(prefix, tmp_path):
    plain = write_as("diffusers-model", tmp_path / "plain.safetensors")
    wrapped = {f"{prefix}{key}": tensor for key, tensor in load_file(plain).items()}
    save_file(wrapped, tmp_path / "wrapped.safetensors")
    expected, actual = read_lora(plain).pairs, read_lora(tmp_path / "wrapped.safetensors").pairs
    assert actual.keys() == expected.keys()
    for layer, pair in actual.items():
        assert torch.equal(pair.up @ pair.down, expected[layer].up @ expected[layer].down)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("lora_A.weight", float("nan"), "lora_A.weight holds NaN or infinity"),
        ("lora_B.weight", float("inf"), "lora_B.weight holds NaN or infinity"),
        ("alpha", float("nan"), "one finite number"),
        ("alpha", 1j, "one finite number"),
        ("lora_B.bias", 0.5, "lora_B.bias changes a bias"),
        ("lora_B.default.bias", 0.5, "lora_B.default.bias changes a bias"),
        ("diff_b", 0.5, "diff_b changes a bias"),
    ],
)
def test_what_would_be_dropped_or_break_numbers_is_refused_by_name(key, value, words, tmp_path):
    tensors = load_file(write_as("comfy", tmp_path / "whole.safetensors"))
    name = f"diffusion_model.double_blocks.0.img_attn_proj.{key}"
    shape = tensors[name].shape if name in tensors else (WIDTH,)
    tensors[name] = torch.full(shape, value)
    save_file(tensors, tmp_path / "odd.safetensors")
    with pytest.raises(WeightsError, match=words):
        read_lora(tmp_path / "odd.safetensors")
