"""Models from single files: both layouts, every wrapper, any width, told by content."""

import json
import time
import zipfile

import pytest
import torch
from official import WIDTH, official_state, told_transformer
from safetensors.torch import save_file
from tiny_models import STARTER_VAE, TINY_VAE, tiny_transformer, tiny_vae

from foundation.checkpoints.loading import load_model
from foundation.models.transformer.model import VideoTransformer
from foundation.models.vae.model import CausalVideoVAE
from shared.errors import ConfigError, WeightsError


def write(state, path):
    if path.suffix == ".pt":
        torch.save(state, path)
    else:
        save_file(state, path)
    return path


def assert_same_model(actual, expected):
    assert actual.to_json_string() == expected.to_json_string()
    state = actual.state_dict()
    assert state.keys() == expected.state_dict().keys()
    for key, tensor in expected.state_dict().items():
        assert torch.equal(state[key], tensor), key


@pytest.fixture(scope="module")
def model():
    return told_transformer(guidance_embeds=True)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize("layout", ["official", "diffusers"])
def test_a_transformer_is_told_from_its_shapes_in_both_layouts(model, layout, suffix, tmp_path):
    state = official_state(model) if layout == "official" else model.state_dict()
    path = write(state, tmp_path / f"anything{suffix}")
    said = []
    assert_same_model(VideoTransformer.from_single_file(path, note=said.append), model)
    assert "rope_theta 256.0" in said[0]
    assert "image_condition_type None" in said[0]


@pytest.mark.parametrize("wrapper", [("module",), ("ema",), ("state_dict",), ("module", "state_dict")])
def test_outer_keys_of_a_pickle_are_seen_through(model, wrapper, tmp_path):
    state = official_state(model)
    for key in reversed(wrapper):
        state = {key: state}
    assert_same_model(VideoTransformer.from_single_file(write(state, tmp_path / "a.pt")), model)


def test_module_is_preferred_to_ema_as_the_official_code_does(model, tmp_path):
    other = {key: torch.zeros_like(tensor) for key, tensor in official_state(model).items()}
    path = write({"ema": other, "module": official_state(model)}, tmp_path / "a.pt")
    assert_same_model(VideoTransformer.from_single_file(path), model)


@pytest.mark.parametrize("prefix", ["module.", "model.model.", "diffusion_model.", "model.diffusion_model."])
def test_prefixes_come_off_and_what_is_beside_them_is_another_models(model, prefix, tmp_path):
    state = {f"{prefix}{key}": tensor for key, tensor in official_state(model).items()}
    path = write({**state, "loss.scale": torch.ones(1)}, tmp_path / "a.safetensors")
    assert_same_model(VideoTransformer.from_single_file(path), model)


@pytest.mark.parametrize(
    "wrap", [lambda s: s, lambda s: {"state_dict": {f"vae.{k}": v for k, v in s.items()}}]
)
def test_a_vae_is_read_as_the_official_file_has_it(wrap, tmp_path):
    vae = tiny_vae(CausalVideoVAE)
    path = write(wrap(vae.state_dict()), tmp_path / "pytorch_model.pt")
    config = {**vae.config, "_class_name": "AutoencoderKLCausal3D", "sample_size": 256, "sample_tsize": 64}
    config["time_compression_ratio"] = config.pop("temporal_compression_ratio")
    del config["patch_size"], config["norm_type"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    said = []
    loaded = CausalVideoVAE.from_single_file(path, note=said.append)
    assert_same_model(loaded, vae)
    assert "sample_size, sample_tsize mean nothing here" in said[0]


@pytest.mark.parametrize("settings", [STARTER_VAE, {"block_out_channels": (32, 32, 64, 64)}])
def test_a_vae_is_told_from_its_shapes(settings, tmp_path):
    torch.manual_seed(0)
    vae = CausalVideoVAE(**settings)
    path = write(vae.state_dict(), tmp_path / "a.safetensors")
    assert_same_model(CausalVideoVAE.from_single_file(path), vae)


def test_parameters_are_views_of_the_file_until_a_cast_is_asked_for(model, tmp_path):
    path = write(official_state(model), tmp_path / "a.safetensors")
    own = VideoTransformer.from_single_file(path)
    attention = own.transformer_blocks[0].attn
    assert attention.to_q.weight[-1].data_ptr() + 32 * 4 == attention.to_k.weight.data_ptr()
    cast = VideoTransformer.from_single_file(path, dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in cast.parameters()} == {torch.bfloat16}


def test_a_configuration_is_taken_from_beside_or_as_given(tmp_path):
    model = tiny_transformer(VideoTransformer)
    path = write(official_state(model), tmp_path / "a.safetensors")
    with pytest.raises(WeightsError, match="heads 16 wide do not tell"):
        VideoTransformer.from_single_file(path)
    assert_same_model(VideoTransformer.from_single_file(path, config=dict(model.config)), model)
    model.save_config(tmp_path)
    assert_same_model(VideoTransformer.from_single_file(path), model)
    assert_same_model(VideoTransformer.from_single_file(path, config=str(tmp_path / "config.json")), model)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_layers": 3}, "num_layers 3; the weights have 2"),
        ({"guidance_embeds": False}, "guidance_embeds False; the weights have True"),
        ({"_class_name": "FluxTransformer2DModel"}, "of 'FluxTransformer2DModel'"),
    ],
)
def test_a_configuration_that_contradicts_the_file_is_refused(model, change, message, tmp_path):
    path = write(official_state(model), tmp_path / "a.safetensors")
    with pytest.raises(ConfigError, match=message):
        VideoTransformer.from_single_file(path, config={**model.config, **change})


def test_what_no_shape_tells_is_asked_for(model, tmp_path):
    path = write(official_state(model), tmp_path / "a.safetensors")
    replace = VideoTransformer.from_single_file(path, condition_type="token_replace")
    assert replace.config.image_condition_type == "token_replace"
    with pytest.raises(ConfigError, match="latent_concat wants 9 channels"):
        VideoTransformer.from_single_file(path, condition_type="latent_concat")


def test_twice_the_channels_and_a_mask_mean_latent_concat(tmp_path):
    model = tiny_transformer(VideoTransformer, **WIDTH, in_channels=9, image_condition_type="latent_concat")
    path = write(official_state(model), tmp_path / "a.safetensors")
    assert_same_model(VideoTransformer.from_single_file(path), model)
    with pytest.raises(ConfigError, match="'token_replace' was asked for"):
        VideoTransformer.from_single_file(path, condition_type="token_replace")


def test_a_mistaken_file_is_named_for_what_it_is(model, tmp_path):
    vae = write(tiny_vae(CausalVideoVAE, **TINY_VAE).state_dict(), tmp_path / "vae.safetensors")
    with pytest.raises(WeightsError, match="holds a video VAE; a video transformer is needed"):
        VideoTransformer.from_single_file(vae)
    transformer = write(official_state(model), tmp_path / "transformer.safetensors")
    with pytest.raises(WeightsError, match="holds a video transformer; a video VAE is needed"):
        CausalVideoVAE.from_single_file(transformer)
    for key, words in {
        "transformer.double_blocks.0.img_attn_qkv.lora_A.weight": "a LoRA adapter",
        "text_model.embeddings.position_embedding.weight": "a CLIP text encoder",
        "model.embed_tokens.weight": "a language model",
        "blocks.0.cross_attn.k.weight": "a Wan transformer",
        "something.else": r"an unknown model \(its first tensor is 'something\.else'\)",
    }.items():
        path = write({key: torch.zeros(2, 2)}, tmp_path / "other.safetensors")
        with pytest.raises(WeightsError, match=words):
            VideoTransformer.from_single_file(path)


@pytest.mark.parametrize("part", ["file", "folder"])
def test_a_model_can_be_saved_over_the_files_it_was_loaded_from(model, part, tmp_path):
    """Its parameters are views of them; earlier shards go."""
    model.save_pretrained(tmp_path, max_shard_size="100KB")
    if part == "folder":
        loaded = load_model(VideoTransformer, tmp_path, torch.float32)
    else:
        path = write(official_state(model), tmp_path / "diffusion_pytorch_model.safetensors")
        loaded = VideoTransformer.from_single_file(path)
    loaded.save_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "config.json", "diffusion_pytorch_model.safetensors",
    ]  # fmt: skip
    assert_same_model(load_model(VideoTransformer, tmp_path, torch.float32), model)
    assert_same_model(loaded, model)


@pytest.mark.parametrize("wrap", ["_orig_mod.", "module._orig_mod.", "_fsdp_wrapped_module."])
def test_a_wrapped_model_is_told_as_the_model(model, wrap, tmp_path):
    state = {
        wrap + key.replace("blocks.0.", "blocks.0._checkpoint_wrapped_module."): tensor
        for key, tensor in model.state_dict().items()
    }
    path = write(state, tmp_path / "wrapped.safetensors")
    assert_same_model(load_model(VideoTransformer, path, torch.float32), model)


def test_a_layer_that_is_there_with_and_without_a_wrapper_is_refused(model, tmp_path):
    state = model.state_dict()
    state["_orig_mod.proj_out.bias"] = state["proj_out.bias"] + 1
    with pytest.raises(WeightsError, match=r"holds proj_out\.bias twice"):
        load_model(VideoTransformer, write(state, tmp_path / "twice.safetensors"), torch.float32)


def handmade(path, structure):
    """A file of torch.save's form with another structure."""
    torch.save({"a": torch.ones(1)}, path)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, structure if name.endswith("data.pkl") else data)
    return path


DOUBLED = b"\x80\x02}()q\x00" + b"h\x00\x86q\x00" * 60 + b"K\x01u."
"""{((((), ()), ((), ())), ...): 1}: sixty levels, 2^60 entries in 190 bytes."""

HUGE = b"\x80\x02}(\x8b\x00\x10\x00\x00" + b"\x7f" * 4096 + b"K\x01u."
"""{a number of ten thousand digits: 1}"""


@pytest.mark.parametrize("structure", [DOUBLED, HUGE])
def test_a_pickle_that_takes_for_ever_is_not_opened(tmp_path, structure):
    begun = time.monotonic()
    with pytest.raises(WeightsError, match="takes for ever to read, and is not opened"):
        load_model(VideoTransformer, handmade(tmp_path / "bomb.pt", structure), torch.float32)
    assert time.monotonic() - begun < 5


def test_a_key_that_is_no_text_is_refused_in_a_short_line(tmp_path):
    torch.save({("a" * 1000, 2): torch.ones(1)}, tmp_path / "keys.pt")
    with pytest.raises(WeightsError, match="only tensors are expected") as refused:
        load_model(VideoTransformer, tmp_path / "keys.pt", torch.float32)
    assert len(str(refused.value)) < len(str(tmp_path)) + 150


def test_a_pickle_that_holds_itself_is_refused(tmp_path):
    loop = {}
    loop["module"] = {"state_dict": loop}
    with pytest.raises(WeightsError, match="holds itself"):
        load_model(VideoTransformer, write(loop, tmp_path / "loop.pt"), torch.float32)
