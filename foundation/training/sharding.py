"""Weights that accelerate's FSDP 2 shares out among processes: whole for a checkpoint, in parts from one."""

from collections.abc import Mapping
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import parse_flag_from_env
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor

from shared.errors import ConfigError


def shards_weights(accelerator: Accelerator) -> bool:
    """Whether accelerate's configuration asks for FSDP 2, which is then left without a precision of its own.

    Autocast alone decides over precision, as on one process; FSDP would round a batch's noise and its levels too.

    Raises:
        ConfigError: it asks for FSDP in another version, or without several GPUs.
    """
    if parse_flag_from_env("ACCELERATE_USE_FSDP") and not accelerator.is_fsdp2:
        raise ConfigError(
            "accelerate's configuration asks for FSDP, which needs fsdp_version: 2 and a process per GPU; "
            f"this run is {accelerator.distributed_type.value} with {accelerator.num_processes} on "
            f"{accelerator.device.type}: see docs/training.md"
        )
    if accelerator.is_fsdp2:
        plugin: Any = accelerator.state.fsdp_plugin
        plugin.mixed_precision_policy = None
    return accelerator.is_fsdp2


def whole(tensor: Tensor) -> Tensor:
    """A tensor with what all processes have of it, on each of them; all must ask for it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def local(tensor: Tensor) -> Tensor:
    """What this process has of a tensor."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def part(tensor: Tensor, of: Tensor) -> Tensor:
    """What this process keeps of a whole tensor: all of it, or the rows that it has of the sharded tensor `of`."""
    if not isinstance(of, DTensor):
        return tensor
    return distribute_tensor(tensor.to(of.device), of.device_mesh, of.placements, src_data_rank=None)


def gather(tensors: Mapping[str, Tensor], keep: bool) -> dict[str, Tensor]:
    """Whole tensors, one after the other and on the CPU where they were sharded; all processes must ask for them.

    Args:
        tensors: by name.
        keep: whether this process wants them; nothing is returned to the others.
    """
    kept = {}
    for name, tensor in tensors.items():
        full = whole(tensor)
        if keep:
            kept[name] = full if full is tensor else full.cpu()
    return kept


def gather_state(optimizer: torch.optim.Optimizer, keep: bool) -> dict[str, Any]:
    """The optimiser's `state_dict` with whole tensors; see `gather`."""
    made = optimizer.state_dict()
    return {**made, "state": {index: gather(state, keep) for index, state in made["state"].items()}}


def load_state(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load what `gather_state` returned; this number of processes may be another."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    parts = {
        index: {
            name: part(value, parameters[index]) if value.shape == parameters[index].shape else value
            for name, value in own.items()
        }
        for index, own in state["state"].items()
    }
    optimizer.load_state_dict({**state, "state": parts})
