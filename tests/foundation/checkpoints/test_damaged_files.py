"""Two hundred damaged files: each is refused in one clear line, and nothing in them is executed."""

import itertools
import json
import os
import pickle
import random
import zipfile

import pytest
import torch
from official import official_state, told_transformer
from safetensors.torch import save_file
from tiny_models import tiny_vae

from foundation.models.transformer.model import VideoTransformer
from foundation.models.vae.model import CausalVideoVAE
from shared.errors import WeightsError

COUNT = 200


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


class Builtin(Evil):
    """Calls a builtin, which no list of modules forbids."""

    def __reduce__(self):
        return exec, (f"open({str(self.mark)!r}, 'w')",)


@pytest.fixture(scope="module")
def good():
    """The bytes of good files, by suffix and layout."""
    model = told_transformer(num_layers=1, num_single_layers=1, num_refiner_layers=1)
    return {"official": official_state(model), "diffusers": dict(model.state_dict())}


def cut(path, chance, good, mark):
    content = path.read_bytes()
    path.write_bytes(content[: chance.randrange(len(content) - 1)])


def header(path, chance, good, mark):
    content = bytearray(path.read_bytes())
    for place in range(8) if path.suffix == ".safetensors" else range(len(content) - 22, len(content)):
        content[place] = chance.randrange(256)
    path.write_bytes(content)


def offsets(path, chance, good, mark):
    """A safetensors header that promises other data than there is; a zip whose pickle is noise."""
    content = path.read_bytes()
    if path.suffix == ".safetensors":
        length = int.from_bytes(content[:8], "little")
        table = json.loads(content[8 : 8 + length])
        key = chance.choice([key for key in table if key != "__metadata__"])
        change = chance.choice(["end", "shape", "dtype", "negative"])
        if change == "end":
            table[key]["data_offsets"][1] += 4
        elif change == "shape":
            table[key]["shape"] = [2**40, 2**40]
        elif change == "dtype":
            table[key]["dtype"] = "Q7"
        else:
            table[key]["data_offsets"][0] = -8
        words = json.dumps(table).encode()
        path.write_bytes(len(words).to_bytes(8, "little") + words + content[8 + length :])
        return
    noise = bytes(chance.randrange(256) for _ in range(400))
    with zipfile.ZipFile(path) as source:
        members = {name: source.read(name) for name in source.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as target:
        for name, data in members.items():
            target.writestr(name, noise if name.endswith("data.pkl") else data)


def rename(path, chance, good, mark):
    """The content of one format under the other's suffix."""
    content = path.read_bytes()
    path.unlink()
    other = path.with_suffix(".pt" if path.suffix == ".safetensors" else ".safetensors")
    other.write_bytes(content)
    return other


def lose_key(path, chance, good, mark):
    state = dict(good)
    del state[chance.choice(sorted(state))]
    save(state, path)


def add_key(path, chance, good, mark):
    save({**good, f"extra.{chance.randrange(100)}.weight": torch.ones(2, 2)}, path)


def reshape(path, chance, good, mark):
    state = dict(good)
    key = chance.choice(sorted(state))
    tensor = state[key]
    state[key] = torch.zeros(tensor.shape[0] + chance.choice([-1, 1, 3]), *tensor.shape[1:])
    save(state, path)


def integers(path, chance, good, mark):
    state = dict(good)
    key = chance.choice(sorted(state))
    state[key] = state[key].to(chance.choice([torch.int32, torch.uint8, torch.bool]))
    save(state, path)


def other_model(path, chance, good, mark):
    kinds = {
        "lora": {"diffusion_model.double_blocks.0.img_attn_qkv.lora_A.weight": torch.ones(2, 32)},
        "vae": tiny_vae(CausalVideoVAE).state_dict(),
        "clip": {"text_model.embeddings.token_embedding.weight": torch.ones(2, 2)},
        "unknown": {"weight": torch.ones(2)},
        "scalar": {"img_in.proj.weight": torch.ones(())},
    }
    save(kinds[chance.choice(sorted(kinds))], path)


def empty(path, chance, good, mark):
    path.write_bytes(b"")


def vanish(path, chance, good, mark):
    path.unlink()


def evil(path, chance, good, mark):
    """Pickles with code: whole files, zipped by torch, hidden among good tensors, under any suffix."""
    path = path.with_suffix(chance.choice([".pt", ".pth", ".bin", ".ckpt", ".safetensors"]))
    load = chance.choice([Evil, Builtin])(mark)
    way = chance.choice(["plain", "zip", "hidden", "legacy", "metadata"])
    if way == "plain":
        path.write_bytes(pickle.dumps({"module": load}))
    elif way == "zip":
        torch.save({"module": load}, path)
    elif way == "hidden":
        torch.save({"module": good, "config": load}, path)
    elif way == "legacy":
        torch.save({**good, "extra": load}, path, _use_new_zipfile_serialization=False)
    else:
        torch.save({"module": {**good, "double_blocks.0.extra": load}}, path)
    return path


def strange(path, chance, good, mark):
    """Pickles that are allowed, but hold no state dict."""
    path = path.with_suffix(".pt")
    things = [
        [1, 2],
        {"a": 1},
        {},
        torch.ones(3),
        {1: torch.ones(2)},
        {"module": {"a": "text"}},
        {**good, "step": 3},
    ]
    torch.save(chance.choice(things), path)
    return path


DAMAGES = [
    cut, header, offsets, rename, lose_key, add_key, reshape, integers, other_model, empty, vanish, evil, strange,
]  # fmt: skip
CASES = list(itertools.islice(itertools.cycle(DAMAGES), COUNT))


def save(state, path):
    if path.suffix == ".safetensors":
        save_file({key: tensor.contiguous() for key, tensor in state.items()}, path)
    else:
        torch.save(state, path)


@pytest.mark.parametrize("number", range(COUNT), ids=[f"{i}-{case.__name__}" for i, case in enumerate(CASES)])
def test_a_damaged_file_is_refused_and_nothing_in_it_runs(number, good, tmp_path, capfd):
    chance = random.Random(number)
    state = good[chance.choice(["official", "diffusers"])]
    path = tmp_path / f"weights{chance.choice(['.safetensors', '.pt'])}"
    mark = tmp_path / "executed"
    save(state, path)
    path = CASES[number](path, chance, state, mark) or path
    before = sorted(tmp_path.iterdir())
    with pytest.raises(WeightsError) as refusal:
        VideoTransformer.from_single_file(path)
    line = str(refusal.value)
    assert str(path) in line
    assert "\n" not in line
    assert len(line) < 400
    assert not mark.exists()
    assert sorted(tmp_path.iterdir()) == before
    assert not capfd.readouterr().out


def test_good_files_of_the_same_kind_load(good, tmp_path):
    for layout, state in good.items():
        for suffix in (".safetensors", ".pt"):
            path = tmp_path / f"{layout}{suffix}"
            save(state, path)
            assert VideoTransformer.from_single_file(path).config.num_layers == 1
