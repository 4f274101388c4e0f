"""What can be known to be wrong before torch is imported: a device or a package that is not here, too little memory."""

from __future__ import annotations

import ctypes.util
import dataclasses
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foundation.checkpoints.defaults import read_defaults
from foundation.models.geometry import FRAME_STRIDE, SIZE_MULTIPLE, frames_for
from foundation.runtime.estimate import Clip, Estimate, ModelMemory, estimate, read_model
from foundation.runtime.quantise import check_quantise
from foundation.runtime.settings import RuntimeSettings, check_offload
from shared.config import Size
from shared.console import note
from shared.errors import InputError, ResourceError

if TYPE_CHECKING:
    from foundation.checkpoints.registry import ModelParts
    from foundation.t2v.request import VideoSettings

GIGABYTE = 1e9

GPU_SLACK = 1.5
"""Up to how many times a GPU's memory the bound may be before a run is refused: it is not measured on GPUs, and a run
that ends there says so in one line; main memory that runs out ends the process."""

WAYS: tuple[dict[str, Any], ...] = (
    {},
    {"offload": "model"},
    {"offload": "model", "quantise": "float8"},
    {"offload": "group"},
    {"offload": "group", "quantise": "float8"},
)
"""Options that take less and less of a GPU's memory; each is slower than the one before, or loses precision."""

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


def check_memory(request: VideoSettings, parts: ModelParts, size: Size | None = None) -> None:
    """Refuse a clip that the memory of this machine cannot hold, before anything is allocated.

    Args:
        request: what is asked for; size and frames that it leaves open are the model folder's.
        parts: of the model.
        size: of a clip that goes on, which stays as it is.

    Raises:
        ResourceError: the line says what it would take, what there is, and what fits.
        WeightsError: the model folder's own size or length is damaged.
    """
    gpu = request.device == "cuda" or (request.device == "auto" and has_gpu_driver())
    main, own = memory()
    there = own if gpu else main
    if there is None:
        return
    defaults = read_defaults(parts.folder)
    frames = request.frames or defaults.frames
    if request.seconds is not None:
        frames = frames_for(request.seconds, defaults.fps)
    clip, model = Clip(size or request.size or defaults.size, frames), read_model(parts)
    needed = estimate(model, clip, request, gpu)
    if needed.peak <= there:
        return
    fitting = list(_fitting(model, clip, request, gpu, there))
    advice = f"what fits: {'; '.join(fitting)}" if fitting else "no size and no option makes it fit"
    line = (
        f"{clip} needs about {_gigabytes(needed.peak)} of {'the GPU' if gpu else 'main'} memory "
        f"({_stages(needed)}), {_gigabytes(there)} are there; {advice}"
    )
    if not gpu or needed.peak > GPU_SLACK * there:
        raise ResourceError(line)
    note(f"the GPU's memory may run out: {line}")


def _fitting(
    model: ModelMemory, clip: Clip, settings: RuntimeSettings, gpu: bool, there: float
) -> Iterator[str]:
    """Changes after which a clip fits: an option, a length, a size; each alone."""

    def fits(one: Clip, by: RuntimeSettings = settings) -> bool:
        return estimate(model, one, by, gpu).peak <= there

    options = fitting_options(model, clip, settings, there) if gpu else None
    if options:
        yield options
    for count in _shorter(clip.frames):
        if fits(Clip(clip.size, count)):
            yield f"{count} frames"
            break
    for size in _smaller(clip.size):
        if fits(Clip(size, clip.frames)):
            yield f"size {size}"
            break


def fitting_options(model: ModelMemory, clip: Clip, settings: RuntimeSettings, there: float) -> str | None:
    """The options of least cost with which a clip fits into a GPU's memory: '' for none, None where nothing helps.

    Args:
        model: what is run.
        clip: what is made.
        settings: whose offload and quantise are replaced.
        there: bytes of the GPU's own memory.
    """
    for way in WAYS:
        by = dataclasses.replace(settings, device="cuda", **way)
        if estimate(model, clip, by, gpu=True).peak <= there:
            return ", ".join(f"{name} {value}" for name, value in way.items())
    return None


def _shorter(frames: int) -> Iterator[int]:
    """Lengths below, each about seven eighths of the one before, down to one frame."""
    count = (frames - 1) // FRAME_STRIDE
    while count > 0:
        count = min(count * 7 // 8, count - 1)
        yield count * FRAME_STRIDE + 1


def _smaller(size: Size) -> Iterator[Size]:
    """Sizes of about the same shape below, in steps of a sixteenth of the first one."""
    for part in range(15, 0, -1):
        sides = (max(int(side * part / 16) // SIZE_MULTIPLE, 1) * SIZE_MULTIPLE for side in size)
        yield Size(*sides)


def _stages(needed: Estimate) -> str:
    return ", ".join(
        f"{name} {_gigabytes(value)}"
        for name, value in (("text", needed.text), ("denoising", needed.denoise), ("decoding", needed.decode))
    )


def _gigabytes(count: float) -> str:
    return f"{count / GIGABYTE:.3g} GB" if count < 1000 * GIGABYTE else f"{count / GIGABYTE:.0f} GB"


def memory() -> tuple[float, float | None]:
    """Bytes of main memory that this process can have, and of the first NVIDIA GPU's own, where there is one."""
    return min(_available(), _group_limit()), gpu_memory()


@cache
def gpu_memory() -> float | None:
    """Bytes of the first NVIDIA GPU's own memory; None where nobody tells."""
    if shutil.which("nvidia-smi") is None:
        return None
    asked = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits", "--id=0"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, timeout=5, check=True).stdout
        return int(told.split()[0]) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def main_memory() -> float:
    """Bytes of the machine's main memory, or of the part of it that a container gives."""
    return min(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), _group_limit())


def _available() -> float:
    """What is free or can be freed, and what this process has already."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
        resident = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError, StopIteration):
        return main_memory()
    return free + resident * os.sysconf("SC_PAGE_SIZE")


def _group_limit() -> float:
    """The memory limit of the control group, by version 2 or 1; infinity without one."""
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            return float(Path(file).read_text())
        except (OSError, ValueError):
            continue
    return float("inf")
