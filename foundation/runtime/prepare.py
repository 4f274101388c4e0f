"""From loaded models to a pipeline that runs as the settings ask."""

import os
import shutil

import torch
from diffusers import DiffusionPipeline
from diffusers.models.attention_dispatch import _AttentionBackendRegistry
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils import logging

from foundation.runtime.memory import place, store_in_float8
from foundation.runtime.settings import RuntimeSettings
from shared.errors import InputError

GPU_ONLY = ("_native_cudnn", "_native_efficient", "flash", "_flash_3", "sage", "xformers")


def set_attention(model: ModelMixin, backend: str, device: str) -> None:
    """Let every attention of a model use one kernel; `auto` leaves the choice to torch.

    diffusers makes the chosen kernel the default of the whole process as well; here other models keep theirs.

    Raises:
        InputError: The kernel's package is not installed, or it needs a GPU.
    """
    if backend == "auto":
        return
    if backend in GPU_ONLY and device != "cuda":
        raise InputError(f"attention {backend!r} needs a GPU, and the device is {device!r}: use 'native'")
    default, _ = _AttentionBackendRegistry.get_active_backend()
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # it warns of an experimental interface, which nobody here can act on
    try:
        model.set_attention_backend(backend)
    except (RuntimeError, ImportError) as error:
        raise InputError(f"attention {backend!r} is not here: {str(error).strip()}") from error
    finally:
        logging.set_verbosity(verbosity)
        _AttentionBackendRegistry.set_active_backend(default)


def prepare(
    pipe: DiffusionPipeline, settings: RuntimeSettings, device: torch.device, dtype: torch.dtype
) -> None:
    """Tile, store, attend, compile and place, in the order in which the hooks want it.

    Args:
        pipe: on the CPU, with a `transformer` and a `vae`.
        settings: what the user asked for.
        device: where it runs.
        dtype: in which it computes.

    Raises:
        InputError: a kernel or compiler that is not here.
    """
    pipe.vae.to(memory_format=torch.channels_last_3d)
    if settings.tiling:
        pipe.vae.enable_tiling()
    if settings.quantise == "float8":
        store_in_float8(pipe.transformer, dtype)
    set_attention(pipe.transformer, settings.attention, device.type)
    if settings.compile:
        compile_blocks(pipe.transformer)
    place(pipe, settings.offload, device, settings.offload_folder)


def compile_blocks(model: ModelMixin, backend: str = "inductor") -> None:
    """Compile the repeated blocks, each kind once for all its copies.

    Raises:
        InputError: there is no C++ compiler.
    """
    compilers = (os.environ.get("CXX") or "g++", "clang++")
    if not any(map(shutil.which, compilers)):
        raise InputError("compile needs a C++ compiler, and there is neither g++ nor clang++: install one")
    model.compile_repeated_blocks(fullgraph=True, backend=backend)
