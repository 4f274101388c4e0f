"""`kinora models convert`: both layouts, atomically, with the disk asked first."""

import json
import shutil
from collections import namedtuple

import pytest
import torch
from diffusers import AutoencoderKLHunyuanVideo, HunyuanVideoTransformer3DModel
from official import official_state, told_transformer
from safetensors.torch import load_file
from tiny_models import STARTER_VAE, tiny_transformer, tiny_vae

from foundation.checkpoints import writing
from foundation.checkpoints.cli import main
from foundation.checkpoints.convert import convert
from foundation.models.transformer.model import VideoTransformer
from foundation.models.vae.model import CausalVideoVAE
from shared.errors import InputError, ResourceError, WeightsError


def assert_equal(actual, expected):
    assert actual.keys() == expected.keys()
    for key, tensor in expected.items():
        assert torch.equal(actual[key], tensor), key


def test_official_becomes_a_folder_that_diffusers_opens_and_comes_back(tmp_path, capsys):
    model = told_transformer(guidance_embeds=True)
    state = official_state(model)
    torch.save({"module": state}, tmp_path / "official.pt")
    main(["convert", str(tmp_path / "official.pt"), str(tmp_path / "folder"), "--layout", "diffusers"])
    assert capsys.readouterr().out.strip() == str(tmp_path / "folder")
    theirs, info = HunyuanVideoTransformer3DModel.from_pretrained(
        tmp_path / "folder", output_loading_info=True
    )
    assert not any(info.values())
    assert_equal(theirs.state_dict(), model.state_dict())
    for name in ("back.pt", "back.safetensors"):
        main(["convert", str(tmp_path / "folder"), str(tmp_path / name), "--layout", "official"])
    assert_equal(torch.load(tmp_path / "back.pt")["module"], state)
    assert_equal(load_file(tmp_path / "back.safetensors"), state)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "back.pt", "back.safetensors", "folder", "official.pt",
    ]  # fmt: skip


def test_one_file_in_diffusers_layout_and_another_dtype(tmp_path):
    model = told_transformer()
    torch.save(official_state(model), tmp_path / "a.pt")
    convert(tmp_path / "a.pt", tmp_path / "b.safetensors", "diffusers", torch.bfloat16)
    assert_equal(load_file(tmp_path / "b.safetensors"), model.bfloat16().state_dict())


def test_large_folders_are_sharded(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "SHARD_SIZE", "100KB")
    model = told_transformer()
    torch.save(official_state(model), tmp_path / "a.pt")
    convert(tmp_path / "a.pt", tmp_path / "folder", "diffusers")
    index = json.loads((tmp_path / "folder" / "diffusion_pytorch_model.safetensors.index.json").read_text())
    assert len(set(index["weight_map"].values())) > 1
    assert_equal(VideoTransformer.from_pretrained(tmp_path / "folder").state_dict(), model.state_dict())
    convert(tmp_path / "folder", tmp_path / "again.safetensors", "official")
    assert_equal(load_file(tmp_path / "again.safetensors"), official_state(model))


def test_a_vae_keeps_its_keys_and_opens_in_diffusers(tmp_path):
    vae = tiny_vae(CausalVideoVAE)
    torch.save(vae.state_dict(), tmp_path / "pytorch_model.pt")
    vae.save_config(tmp_path)
    convert(tmp_path / "pytorch_model.pt", tmp_path / "vae", "diffusers")
    theirs = AutoencoderKLHunyuanVideo.from_pretrained(tmp_path / "vae")
    assert_equal(theirs.state_dict(), vae.state_dict())


def test_a_configuration_that_shapes_do_not_tell_is_written_beside(tmp_path):
    model = tiny_transformer(VideoTransformer)  # heads 16 wide
    model.save_pretrained(tmp_path / "folder")
    said = []
    convert(tmp_path / "folder", tmp_path / "out" / "a.safetensors", "official", note=said.append)
    assert "config.json holds what the shapes of a.safetensors do not tell" in said[-1]
    assert_equal(
        VideoTransformer.from_single_file(tmp_path / "out" / "a.safetensors").state_dict(), model.state_dict()
    )
    with pytest.raises(InputError, match="is in the way"):
        convert(tmp_path / "folder", tmp_path / "out" / "b.safetensors", "official")
    torch.manual_seed(0)
    CausalVideoVAE(**STARTER_VAE, scaling_factor=0.9).save_pretrained(tmp_path / "vae")
    convert(tmp_path / "vae", tmp_path / "told" / "vae.pt", "official")
    assert CausalVideoVAE.from_single_file(tmp_path / "told" / "vae.pt").config.scaling_factor == 0.9


@pytest.mark.parametrize(
    ("target", "layout", "message"),
    [
        ("out", "official", "a .safetensors file or a .pt file is written"),
        ("out.pt", "diffusers", "a folder or a .safetensors file is written"),
        ("out.bin", "official", "does not suit the official layout"),
        ("taken", "diffusers", "files of its own"),
    ],
)
def test_targets_that_cannot_be_are_refused_and_left_alone(tmp_path, target, layout, message):
    torch.save(official_state(told_transformer()), tmp_path / "a.pt")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine").write_text("keep")
    with pytest.raises(InputError, match=message):
        convert(tmp_path / "a.pt", tmp_path / target, layout)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.pt", "mine", "taken"]


def test_a_disk_that_is_too_small_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    torch.save(official_state(told_transformer()), tmp_path / "a.pt")
    usage = namedtuple("usage", "total used free")(10, 5, 5)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage)
    with pytest.raises(ResourceError, match=r"has 0\.0 GB free"):
        convert(tmp_path / "a.pt", tmp_path / "b.safetensors", "diffusers")
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


def test_a_whole_model_is_pointed_to_its_parts(tmp_path):
    (tmp_path / "model_index.json").write_text("{}")
    with pytest.raises(WeightsError, match="is a whole model: give its part"):
        convert(tmp_path, tmp_path / "out", "diffusers")
