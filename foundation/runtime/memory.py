"""Who waits where: weights that come to the GPU when they are needed, or are stored in fewer bits."""

import shutil
import tempfile
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import torch
from diffusers import DiffusionPipeline
from diffusers.hooks import apply_group_offloading
from diffusers.models.modeling_utils import ModelMixin
from torch import nn

from shared.config import local_path
from shared.errors import InputError, ResourceError
from shared.media.files import refusal

STORAGE = torch.float8_e4m3fn


def store_in_float8(model: ModelMixin, compute: torch.dtype) -> None:
    """Layerwise casting: each layer's weights are float8 but while it runs; embeddings and norms stay.

    Args:
        model: a diffusers model that says which layers to leave out.
        compute: the precision in which the layers run.

    Raises:
        InputError: the weights are in fewer bits already.
    """
    if any(parameter.element_size() == 1 for parameter in model.parameters()):
        raise InputError(
            "quantise 'float8' is for weights of 16 bits or more, and these have 8 or fewer: leave it out"
        )
    model.enable_layerwise_casting(storage_dtype=STORAGE, compute_dtype=compute)


def place(pipe: DiffusionPipeline, offload: str, device: torch.device, folder: Path | None = None) -> None:
    """Put a pipeline's models where they wait.

    `none` keeps all of them on the device. `model` brings each whole model there when its turn comes and takes
    the one before away: encode, free, denoise, free, decode. `group` keeps one of the transformer's blocks and
    one layer of the language model there at a time; the small models stay.

    Args:
        pipe: on the CPU.
        offload: `none`, `model` or `group`.
        device: where it runs.
        folder: with `group`, where the weights wait on disk instead of in main memory, in a folder of their own that is
            removed with the pipeline.

    Raises:
        InputError: the folder cannot be written.
        ResourceError: the disk is full.
    """
    if offload == "model":
        pipe.enable_model_cpu_offload(device=device)
    elif offload == "group":
        room = None if folder is None else _waiting_room(pipe, folder)
        try:
            for name in ("text_encoder", "transformer"):
                offload_in_groups(getattr(pipe, name), device, None if room is None else room / name)
        except OSError as error:
            raise refusal(error, folder or Path()) from error
        for name, part in pipe.components.items():
            if isinstance(part, nn.Module) and name not in ("text_encoder", "transformer"):
                part.to(device)
    else:
        pipe.to(device)


def _waiting_room(pipe: DiffusionPipeline, folder: Path) -> Path:
    """A folder of one pipeline, removed when the pipeline is."""
    try:
        folder = local_path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        room = tempfile.mkdtemp(prefix=".kinora-offload-", suffix=".part", dir=folder)
    except OSError as error:
        raise refusal(error, folder) from error
    weakref.finalize(pipe, shutil.rmtree, room, ignore_errors=True)
    return Path(room)


def offload_in_groups(model: nn.Module, device: torch.device, disk: Path | None = None) -> None:
    """Let the groups of a model come to the device one after the other.

    A diffusers model is taken block by block, the next one copied while one computes; a language model, whose
    blocks lie deeper, layer by layer.

    Args:
        model: on the CPU.
        device: where it runs.
        disk: a folder in which the weights wait instead of in main memory.
    """
    in_blocks = isinstance(model, ModelMixin)
    apply_group_offloading(
        model,
        onload_device=device,
        offload_type="block_level" if in_blocks else "leaf_level",
        num_blocks_per_group=1 if in_blocks else None,
        use_stream=in_blocks and device.type == "cuda",
        offload_to_disk_path=None if disk is None else str(disk),
    )


@contextmanager
def oom_hints() -> Generator[None]:
    """Turn the end of memory, the GPU's or the machine's, into one line that names the remedies.

    Raises:
        ResourceError: Memory ran out inside the block.
    """
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise ResourceError(
                "the GPU's memory ran out: try offload model or group, quantise float8, fewer frames or a "
                "smaller size"
            ) from error
        if "can't allocate memory" in str(error):
            raise ResourceError("memory ran out: try fewer frames or a smaller size") from error
        raise
