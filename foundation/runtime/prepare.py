"""From loaded models to a pipeline that runs as the settings ask."""

import os
import shutil

import torch
from diffusers import DiffusionPipeline
from diffusers.models.modeling_utils import ModelMixin

from foundation.runtime.attention import set_attention
from foundation.runtime.memory import place, store_in_float8
from foundation.runtime.settings import RuntimeSettings
from shared.errors import InputError


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
