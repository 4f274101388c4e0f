"""Where a model runs and in which precision."""

import platform

import torch

from shared.errors import InputError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def choose_device(name: str) -> torch.device:
    """The device of a name; `auto` takes a GPU when there is one.

    Raises:
        InputError: torch does not see the device.
    """
    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(kind for kind, is_here in present.items() if is_here))
    if not present[name]:
        here = " or ".join(repr(kind) for kind, is_here in present.items() if is_here)
        raise InputError(f"device {name!r} is not here: torch sees none; use 'auto' or {here}")
    return torch.device(name)


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """The precision of a name; `auto` is bfloat16 on a GPU that computes in it, and float32 elsewhere.

    float16 is never chosen unasked: the released weights overflow in it.
    """
    if name != "auto":
        return DTYPES[name]
    computes = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if computes else torch.float32


def describe(device: torch.device, dtype: torch.dtype) -> dict[str, str | int]:
    """What decides over the last bits of a result, for the receipt: device, dtype, threads and processor."""
    return {
        "device": device.type,
        "dtype": str(dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "processor": _processor(device),
    }


def _processor(device: torch.device) -> str:
    """The GPU's name, or the CPU's architecture with the vector instructions that torch uses."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
