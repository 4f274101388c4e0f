"""LoRAs in a model: trained, saved, opened by diffusers, loaded, and what their updates do."""

import re

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, HunyuanVideoPipeline, HunyuanVideoTransformer3DModel
from lora_files import PROGRAMS, diffusers_factors, write_as
from official import official_state, told_transformer
from safetensors.torch import load_file, save_file
from test_float8 import quantised
from test_gguf import write_gguf
from tiny_models import TINY_TRANSFORMER, relative_difference, tiny_transformer

from foundation import Conditioning, Lora, TextConditioning, VideoTransformer, add_lora, load_loras, save_lora
from foundation.checkpoints.convert import convert
from foundation.checkpoints.loading import load_model
from foundation.checkpoints.lora.adapters import TARGETS
from foundation.runtime.memory import offload_in_groups, store_in_float8
from foundation.runtime.quantise import quanto_config
from shared.errors import ConfigError, WeightsError

generator = torch.Generator().manual_seed(3)
LATENTS, SIGMA = torch.randn(1, 4, 3, 8, 8, generator=generator), torch.tensor([0.7])
TEXT = TextConditioning(
    torch.randn(1, 5, 24, generator=generator), None, torch.randn(1, 12, generator=generator)
)


ONE_OF_EACH = {"num_layers": 1, "num_single_layers": 1, "num_refiner_layers": 1}


def build():
    """One block of each kind, 32 wide, as the files in `lora_files` want it."""
    return tiny_transformer(VideoTransformer, **ONE_OF_EACH)


def build_theirs():
    """The same as diffusers' class."""
    model = HunyuanVideoTransformer3DModel(**TINY_TRANSFORMER | ONE_OF_EACH).eval()
    model.load_state_dict(build().state_dict())
    return model


@torch.no_grad()
def velocity(model):
    return model(LATENTS, SIGMA, Conditioning(TEXT)).float()


def learn(model):
    """What training would do to an adapter: both factors are anything."""
    chance = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.copy_(torch.randn(parameter.shape, generator=chance) * 0.2)


def merged(model, scale=1.0):
    """The model with the LoRA of `lora_files` in its weights."""
    state = model.state_dict()
    for layer, (down, up) in diffusers_factors().items():
        state[f"{layer}.weight"] += scale * 0.5 * up @ down
    return model


# -- training ----------------------------------------------------------------------------------------------


def test_an_added_adapter_changes_nothing_and_alone_is_trained():
    model = build()
    expected = velocity(model)
    layers = add_lora(model.requires_grad_(True), rank=3, alpha=6)
    assert torch.equal(velocity(model), expected)
    assert len(layers) == 12 + 5
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert len(trained) == 2 * len(layers)
    assert all(".lora_A." in name or ".lora_B." in name for name in trained)
    learn(model)
    assert relative_difference(velocity(model), expected) > 0.01


def test_targets_are_ends_of_names_in_the_blocks_or_whole_names():
    layers = add_lora(build(), 2, 2, ["to_q", "x_embedder.proj"])
    assert layers == [
        "single_transformer_blocks.0.attn.to_q", "transformer_blocks.0.attn.to_q", "x_embedder.proj",
    ]  # fmt: skip
    assert "proj_out" not in add_lora(build(), targets=TARGETS)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rank": 0}, "rank must be 1 or more"),
        ({"alpha": 0}, "alpha above 0"),
        ({"targets": ["atn.to_q"]}, r"no layer is called 'atn.to_q' \(did you mean attn.to_q\?\)"),
        ({"targets": ["norm_q"]}, "no layer is called"),
    ],
)
def test_an_adapter_that_cannot_be_is_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        add_lora(build(), **settings)


def test_one_adapter_is_trained_at_a_time():
    model = build()
    add_lora(model)
    with pytest.raises(ConfigError, match="has an adapter already"):
        add_lora(model)


def test_a_model_with_an_adapter_is_not_saved_as_if_it_had_none(tmp_path):
    model = build()
    with pytest.raises(ConfigError, match="has no adapter 'default'"):
        save_lora(model, tmp_path)
    add_lora(model)
    with pytest.raises(ConfigError, match="save_lora writes the LoRA"):
        model.save_pretrained(tmp_path)
    assert list(tmp_path.iterdir()) == []


# -- diffusers ---------------------------------------------------------------------------------------------


def pipeline(transformer):
    return HunyuanVideoPipeline(
        text_encoder=None,
        tokenizer=None,
        transformer=transformer,
        vae=None,
        scheduler=FlowMatchEulerDiscreteScheduler(),
        text_encoder_2=None,
        tokenizer_2=None,
    )


@torch.no_grad()
def their_velocity(model):
    mask = torch.ones(TEXT.embeds.shape[:2], dtype=torch.int)
    return model(LATENTS, SIGMA * 1000, TEXT.embeds, mask, TEXT.pooled, return_dict=False)[0]


@pytest.mark.parametrize("place", ["folder", "file.safetensors"])
def test_diffusers_opens_what_we_save_and_computes_the_same(place, tmp_path):
    ours, theirs = build(), build_theirs()
    before = their_velocity(theirs)
    add_lora(ours, rank=3, alpha=5, targets=["to_q", "add_k_proj", "proj_mlp", "x_embedder.proj"])
    learn(ours)
    path = save_lora(ours, tmp_path / place)
    assert all(key.startswith("transformer.") for key in load_file(path))
    pipe = pipeline(theirs)
    pipe.load_lora_weights(path.parent, weight_name=path.name)
    assert relative_difference(their_velocity(theirs), before) > 0.01
    assert relative_difference(velocity(ours), their_velocity(theirs)) <= 1e-4


def test_we_open_what_diffusers_saves(tmp_path):
    from diffusers.training_utils import _collate_lora_metadata
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    theirs, ours = build_theirs(), build()
    theirs.add_adapter(
        LoraConfig(
            r=2,
            lora_alpha=6,
            target_modules=["to_k", "ff.net.2", "proj_out"],
            rank_pattern={"to_k": 3},
            alpha_pattern={"ff.net.2": 1},
        )
    )
    learn(theirs)
    HunyuanVideoPipeline.save_lora_weights(
        tmp_path, get_peft_model_state_dict(theirs), **_collate_lora_metadata({"transformer": theirs})
    )
    load_loras(ours, [Lora(tmp_path)])
    assert relative_difference(velocity(ours), their_velocity(theirs)) <= 1e-4


def test_what_was_saved_is_loaded_as_it_was(tmp_path):
    trained, fresh = build(), build()
    add_lora(trained, rank=2, alpha=3)
    learn(trained)
    load_loras(fresh, [Lora(save_lora(trained, tmp_path))])
    assert relative_difference(velocity(fresh), velocity(trained)) <= 1e-6


# -- loading -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_programs_file_gives_the_velocity_of_merged_weights(program, tmp_path):
    model = build()
    load_loras(model, [Lora(write_as(program, tmp_path / "a.safetensors"), 0.7)])
    assert relative_difference(velocity(model), velocity(merged(build(), 0.7))) <= 1e-5
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_several_add_up(tmp_path):
    path = write_as("musubi", tmp_path / "a.safetensors")
    other = write_as("diffusers", tmp_path / "b.safetensors")
    model = build()
    load_loras(model, [Lora(path, 0.5), Lora(other, -2), Lora(path, 0.0)])
    assert relative_difference(velocity(model), velocity(merged(build(), -1.5))) <= 1e-5


def test_scale_zero_is_the_base_bit_for_bit(tmp_path):
    model = build()
    expected = velocity(model)
    load_loras(model, [Lora(write_as("comfy", tmp_path / "a.safetensors"), 0.0)])
    assert torch.equal(velocity(model), expected)


def test_a_line_says_which_keys_found_a_place(tmp_path):
    tensors = load_file(write_as("musubi", tmp_path / "a.safetensors"))
    deeper = {key.replace("blocks_0", "blocks_7"): tensor.clone() for key, tensor in tensors.items()}
    path = tmp_path / "b.safetensors"
    save_file({**tensors, **deeper, "lora_te1_x.alpha": torch.tensor(1.0)}, path)
    said = []
    load_loras(build(), [Lora(path, 0.5)], said.append)
    assert len(said) == 1
    assert re.fullmatch(
        rf"LoRA {re.escape(str(path))} at scale 0\.5: 18 keys matched, 19 unmatched: "
        r"'lora_unet_\w+_7_[\w.]+', .* and 16 more",
        said[0],
    )


def test_a_lora_of_another_model_is_refused_and_leaves_the_model_alone(tmp_path):
    model = build()
    wide = write_as("diffusers", tmp_path / "wide.safetensors", width=48)
    fits = write_as("diffusers", tmp_path / "fits.safetensors")
    with pytest.raises(
        WeightsError, match=r"of another model: it maps 48 to 48 in .*, and the model 32 to 32"
    ):
        load_loras(model, [Lora(fits), Lora(wide)])
    assert not hasattr(model, "peft_config")
    deep = {
        key.replace("blocks.0", "blocks.7"): tensor
        for key, tensor in load_file(fits).items()
        if "to_q" in key
    }
    save_file(deep, tmp_path / "deep.safetensors")
    with pytest.raises(WeightsError, match=r"none of its 4 keys, such as .*blocks\.7\.attn\.to_q"):
        load_loras(model, [Lora(tmp_path / "deep.safetensors")])


# -- beside other ways to run ------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path):
    return Lora(write_as("comfy", tmp_path / "lora.safetensors"))


def test_the_adapter_runs_in_the_models_precision(file):
    model = build().to(torch.bfloat16)
    load_loras(model, [file])
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert relative_difference(velocity(model), velocity(merged(build()))) < 0.05


def test_float8_storage_leaves_the_adapter_whole(file):
    model = build()
    load_loras(model, [file])
    store_in_float8(model, torch.float32)
    layer = model.transformer_blocks[0].attn.to_q
    assert layer.base_layer.weight.dtype == torch.float8_e4m3fn
    assert layer.lora_A["lora_0"].weight.dtype == torch.float32
    stored = merged(build())
    store_in_float8(stored, torch.float32)
    exact = velocity(merged(build()))
    assert relative_difference(velocity(model), exact) <= relative_difference(velocity(stored), exact)


def test_official_8_bit_weights_take_an_adapter(tmp_path, file):
    base = build()
    state, scales = quantised(official_state(base))
    torch.save({"module": state}, tmp_path / "fp8.pt")
    torch.save(scales, tmp_path / "fp8_map.pt")
    config = base.config
    models = [
        VideoTransformer.from_single_file(tmp_path / "fp8.pt", config=config, dtype=torch.bfloat16)
        for _ in range(2)
    ]
    load_loras(models[0], [file])
    layer = models[0].transformer_blocks[0].attn.to_q
    assert layer.base_layer.weight.dtype == torch.float8_e4m3fn
    assert layer.lora_B["lora_0"].weight.dtype == torch.bfloat16
    moved = velocity(models[0]) - velocity(models[1])
    assert relative_difference(moved, velocity(merged(build())) - velocity(base)) < 0.2


def test_groups_that_wait_elsewhere_bring_their_adapters_along(file, tmp_path, monkeypatch):
    model = build()
    load_loras(model, [file])
    expected = velocity(model)
    monkeypatch.setattr(
        torch, "empty_like", lambda tensor, **_: torch.full_like(tensor, float("nan"))
    )  # what waits is not a number
    offload_in_groups(model, torch.device("cpu"), tmp_path / "waiting")
    assert all(parameter.isnan().all() for parameter in model.parameters())
    assert (
        relative_difference(velocity(model), expected) <= 1e-6
    )  # where a tensor lies may change its last bit


@pytest.mark.parametrize("bits", [pytest.param(bits, marks=pytest.mark.slow) for bits in ("int8", "int4")])
def test_quantos_integers_take_an_adapter(file, tmp_path, bits):
    pytest.importorskip("optimum.quanto")
    base = build()
    base.save_pretrained(tmp_path / "model")
    model = load_model(VideoTransformer, tmp_path / "model", torch.float32, quanto_config(bits))
    before = velocity(model)
    load_loras(model, [file])
    moved = velocity(model) - before
    assert relative_difference(moved, velocity(merged(build())) - velocity(base)) < (
        0.1 if bits == "int8" else 0.5
    )


def test_gguf_files_take_an_adapter(file, tmp_path):
    base = build()
    path = write_gguf(tmp_path / "model.gguf", base.state_dict())
    (tmp_path / "config.json").write_text(base.to_json_string())
    model = load_model(VideoTransformer, path, torch.float32)
    before = velocity(model)
    load_loras(model, [file])
    assert type(model.transformer_blocks[0].attn.to_q.base_layer).__name__ == "GGUFLinear"
    moved = velocity(model) - before
    assert relative_difference(moved, velocity(merged(build())) - velocity(base)) < 0.1


@pytest.mark.slow
def test_blocks_with_an_adapter_are_captured_whole(file):
    from foundation.runtime.prepare import compile_blocks

    model = build()
    load_loras(model, [file])
    expected = velocity(model)
    compile_blocks(model, backend="eager")
    assert relative_difference(velocity(model), expected) <= 1e-6


def test_a_converted_base_takes_the_same_adapter(file, tmp_path):
    """Whichever layout the base was read from, the layers have one name."""
    base = told_transformer(**ONE_OF_EACH)
    base.save_pretrained(tmp_path / "own")
    convert(tmp_path / "own", tmp_path / "official.safetensors", "official")
    model = VideoTransformer.from_single_file(tmp_path / "official.safetensors")
    load_loras(model, [file])
    load_loras(base, [file])
    assert relative_difference(velocity(model), velocity(base)) <= 1e-6
