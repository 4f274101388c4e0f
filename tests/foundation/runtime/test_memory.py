"""Weights that wait elsewhere or in fewer bits: the same clip with less memory."""

import gc

import numpy as np
import pytest
import torch
from accelerate.hooks import CpuOffload

from foundation import TextToVideoPipeline
from foundation.runtime.memory import offload_in_groups, oom_hints, place
from foundation.runtime.settings import RuntimeSettings
from shared.errors import InputError, ResourceError

PROMPT = "a red circle moves right on a gray background"
CPU = torch.device("cpu")


@pytest.fixture
def pipe(model_folder):
    return TextToVideoPipeline.from_pretrained(str(model_folder), device="cpu")


def spoilt(tensor, **_):
    return torch.full_like(tensor, float("nan") if tensor.is_floating_point() else 0)


def is_same(one, other):
    """Equal within one level of 255: where weights lie in memory decides over the last bit on some processors."""
    return np.abs(one.astype(int) - other).max() <= 1


def psnr(one, other):
    return 10 * np.log10(255**2 / max(np.mean((one.astype(float) - other) ** 2), 1e-9))


@pytest.mark.parametrize("part", ["transformer", "text_encoder"])
def test_every_layer_that_waits_elsewhere_is_fetched_before_it_runs(pipe, part, tmp_path, monkeypatch):
    expected = pipe(PROMPT).frames
    model = getattr(pipe, part)
    with monkeypatch.context() as patched:  # what waits is not a number, where it would be anything
        patched.setattr(torch, "empty_like", spoilt)
        offload_in_groups(model, CPU, tmp_path)
        assert all(parameter.isnan().all() for parameter in model.parameters())
        assert is_same(pipe(PROMPT).frames, expected)


def test_groups_give_the_same_clip(pipe):
    expected = pipe(PROMPT).frames
    place(pipe, "group", CPU)
    assert is_same(pipe(PROMPT).frames, expected)
    assert is_same(pipe(PROMPT).frames, expected)


def test_groups_on_disk_give_the_same_clip_and_leave_nothing_there(model_folder, tmp_path):
    pipe = TextToVideoPipeline.from_pretrained(str(model_folder), device="cpu")
    expected = pipe(PROMPT).frames
    place(pipe, "group", CPU, tmp_path / "fast" / "disk")
    assert is_same(pipe(PROMPT).frames, expected)
    waiting = [file.parent.name for file in tmp_path.rglob("*.safetensors")]
    assert set(waiting) == {"text_encoder", "transformer"}
    del pipe
    gc.collect()
    assert not list((tmp_path / "fast" / "disk").iterdir())


def test_a_folder_for_waiting_weights_is_for_groups_and_must_be_writable(pipe, tmp_path):
    with pytest.raises(InputError, match="offload_folder is for offload group, and offload is model"):
        RuntimeSettings(device="cuda", offload="model", offload_folder=tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file"):
        place(pipe, "group", CPU, tmp_path / "file" / "below")


def test_whole_models_take_turns_and_send_the_one_before_away(pipe, monkeypatch):
    expected = pipe(PROMPT, cfg=1.0).frames
    place(pipe, "model", CPU)
    names = {id(part): name for name, part in pipe.components.items()}
    fetched, fetch = [], CpuOffload.pre_forward

    def recorded(hook, module, *args, **kwargs):
        before = hook.prev_module_hook
        fetched.append((names[id(module)], before and names[id(before.model)]))
        return fetch(hook, module, *args, **kwargs)

    monkeypatch.setattr(CpuOffload, "pre_forward", recorded)
    assert is_same(pipe(PROMPT, cfg=1.0, steps=2).frames, expected)
    assert fetched == [
        ("text_encoder", None),
        ("text_encoder_2", "text_encoder"),
        ("transformer", "text_encoder_2"),
        ("transformer", "text_encoder_2"),
        ("vae", "transformer"),
    ]


def test_float8_storage_computes_in_the_chosen_precision(model_folder):
    pipes = [
        TextToVideoPipeline.from_pretrained(str(model_folder), device="cpu", quantise=bits)
        for bits in ("none", "float8")
    ]
    stored = pipes[1].transformer.transformer_blocks[0].attn.to_q.weight
    assert stored.dtype == torch.float8_e4m3fn
    assert pipes[1].transformer.x_embedder.proj.weight.dtype == torch.float32
    plain, cast = (pipe(PROMPT).frames for pipe in pipes)
    assert psnr(plain, cast) > 25


def test_float8_storage_and_groups_go_together(model_folder):
    pipe = TextToVideoPipeline.from_pretrained(str(model_folder), device="cpu", quantise="float8")
    expected = pipe(PROMPT).frames
    place(pipe, "group", CPU)
    assert is_same(pipe(PROMPT).frames, expected)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "GPU's memory ran out: try offload model or group"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"),
            "fewer frames or a smaller size",
        ),
    ],
)
def test_the_end_of_memory_is_said_with_what_frees_some(error, words):
    with pytest.raises(ResourceError, match=words), oom_hints():
        raise error


def test_other_faults_stay_what_they_are():
    with pytest.raises(RuntimeError, match="shapes"), oom_hints():
        raise RuntimeError("shapes do not match")
