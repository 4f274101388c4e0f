"""Devices, precisions and kernels: what is not here is named, and what is chosen holds for one model only."""

import pytest
import torch
from diffusers.models.attention_dispatch import _AttentionBackendRegistry
from tiny_models import relative_difference, tiny_transformer

from foundation import Conditioning, TextConditioning, TextToVideoPipeline, VideoTransformer
from foundation.runtime.device import choose_device, choose_dtype, describe
from foundation.runtime.prepare import compile_blocks, set_attention
from foundation.runtime.settings import RuntimeSettings
from shared.errors import InputError

PROMPT = "a red circle moves right on a gray background"


def velocity(model):
    generator = torch.Generator().manual_seed(3)
    text = TextConditioning(
        torch.randn(1, 5, 24, generator=generator), None, torch.randn(1, 12, generator=generator)
    )
    with torch.no_grad():
        return model(torch.randn(1, 4, 3, 8, 8, generator=generator), torch.tensor([0.7]), Conditioning(text))


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_device_that_is_not_here_is_named(name, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(InputError, match=f"device '{name}' is not here.*use 'auto' or 'cpu'"):
        choose_device(name)
    assert choose_device("auto") == torch.device("cpu")


def test_auto_takes_the_gpu_and_the_precision_it_computes_in(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto").type == "cuda"
    for computes, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_, known=computes, **__: known)
        assert choose_dtype("auto", torch.device("cuda")) == dtype
    assert choose_dtype("auto", torch.device("cpu")) == torch.float32
    assert choose_dtype("float16", torch.device("cpu")) == torch.float16


def test_a_receipt_learns_what_decides_over_the_last_bits():
    said = describe(torch.device("cpu"), torch.bfloat16)
    assert (said["device"], said["dtype"], said["threads"]) == ("cpu", "bfloat16", torch.get_num_threads())
    assert said["processor"]


@pytest.mark.parametrize("offload", ["model", "group"])
@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_offload_without_a_gpu_of_its_own_memory_is_refused_before_torch(device, offload):
    with pytest.raises(InputError, match=f"offload '{offload}'.*the device is '{device}'"):
        RuntimeSettings(device=device, offload=offload)


def test_offload_on_a_machine_without_a_gpu_is_refused_before_the_weights_are_read(model_folder, monkeypatch):
    monkeypatch.setattr("foundation.runtime.video_pipeline.choose_device", lambda _: torch.device("cpu"))
    monkeypatch.setattr("foundation.runtime.video_pipeline.load_model", None)
    with pytest.raises(InputError, match="leave offload out"):
        TextToVideoPipeline.from_pretrained(str(model_folder), offload="model")


@pytest.mark.parametrize(
    "backend", ["native", "_native_math", "_native_flash", pytest.param("flex", marks=pytest.mark.slow)]
)
def test_every_kernel_of_torch_gives_the_same_velocity(backend):
    model = tiny_transformer(VideoTransformer)
    expected = velocity(model)
    set_attention(model, backend, "cpu")
    assert relative_difference(velocity(model), expected) <= 1e-5


def test_a_chosen_kernel_is_this_models_alone():
    before = _AttentionBackendRegistry.get_active_backend()
    model = tiny_transformer(VideoTransformer)
    set_attention(model, "_native_math", "cpu")
    processors = {
        module.processor._attention_backend for module in model.modules() if hasattr(module, "processor")
    }
    assert processors == {"_native_math"}
    assert _AttentionBackendRegistry.get_active_backend() == before


@pytest.mark.parametrize("backend", ["flash", "sage", "xformers", "_native_cudnn"])
def test_a_kernel_that_wants_a_gpu_is_refused_on_a_cpu(backend):
    with pytest.raises(InputError, match=f"attention '{backend}' needs a GPU.*use 'native'"):
        set_attention(tiny_transformer(VideoTransformer), backend, "cpu")


def test_a_kernel_whose_package_is_missing_is_named(monkeypatch):
    monkeypatch.setattr("diffusers.models.attention_dispatch._CAN_USE_SAGE_ATTN", False)
    before = _AttentionBackendRegistry.get_active_backend()
    with pytest.raises(InputError, match="install `sageattention"):
        set_attention(tiny_transformer(VideoTransformer), "sage", "cuda")
    assert _AttentionBackendRegistry.get_active_backend() == before


@pytest.mark.slow
def test_compiled_blocks_are_captured_whole_and_give_the_same_velocity():
    model = tiny_transformer(VideoTransformer)
    expected = velocity(model)
    compile_blocks(model, backend="eager")
    assert relative_difference(velocity(model), expected) <= 1e-6


@pytest.mark.slow
def test_compiled_code_gives_the_same_velocity():
    model = tiny_transformer(VideoTransformer, num_layers=0, num_single_layers=1)
    expected = velocity(model)
    compile_blocks(model)
    assert relative_difference(velocity(model), expected) <= 1e-5


def test_without_a_compiler_compile_is_refused(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(InputError, match="neither g\\+\\+ nor clang\\+\\+"):
        compile_blocks(tiny_transformer(VideoTransformer))


@pytest.mark.parametrize(
    "settings", [{"dtype": "bfloat16"}, {"attention": "_native_math"}, {"tiling": False}]
)
def test_the_pipeline_runs_as_it_is_told(model_folder, settings):
    pipe = TextToVideoPipeline.from_pretrained(str(model_folder), device="cpu", **settings)
    clip = pipe(PROMPT)
    assert clip.frames.shape == (5, 32, 32, 3)
    assert clip.metadata["runtime"]["dtype"] == settings.get("dtype", "float32")
    assert (pipe.vae.tiling is None) == (settings.get("tiling") is False)
