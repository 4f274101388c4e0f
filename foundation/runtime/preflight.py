"""What can be known to be wrong before torch is imported: a device, a package or a model that is not here."""

from __future__ import annotations

import ctypes.util
import sys
from pathlib import Path

from foundation.runtime.quantise import check_quantise
from foundation.runtime.settings import RuntimeSettings, check_offload
from shared.errors import InputError

GPU_FILES = (
    "/dev/nvidiactl",
    "/dev/nvidia0",
    "/dev/kfd",
    "/dev/dxg",
    "/dev/nvmap",
    "/proc/driver/nvidia/version",
)
"""What the drivers of NVIDIA and AMD leave on a Linux machine, under WSL and on Jetson boards too."""


def has_gpu_driver() -> bool:
    """Whether this machine has the driver of a GPU that torch calls `cuda`; torch itself is not asked."""
    if sys.platform == "darwin":
        return False
    if sys.platform == "win32":
        return any(ctypes.util.find_library(name) for name in ("nvcuda", "amdhip64"))
    return any(Path(file).exists() for file in GPU_FILES)


def check_machine(settings: RuntimeSettings) -> None:
    """Refuse settings that this machine cannot have.

    Raises:
        InputError: a GPU without a driver, an offload without a GPU, or a package that is not installed.
    """
    check_quantise(settings.quantise)
    if settings.device == "cuda" and not has_gpu_driver():
        raise InputError("device 'cuda' is not here: no driver of a GPU is installed; use 'auto' or 'cpu'")
    if settings.device == "auto" and not has_gpu_driver():
        check_offload(settings.offload, "mps" if sys.platform == "darwin" else "cpu")
