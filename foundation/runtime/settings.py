"""What every command that runs a model lets people set about the machine; checked without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from shared.config import check, setting, settings
from shared.errors import InputError

Device = Literal["auto", "cpu", "cuda", "mps"]
DType = Literal["auto", "float32", "bfloat16", "float16"]
Offload = Literal["none", "model", "group"]
Quantise = Literal["none", "float8", "int8", "int4"]
Attention = Literal[
    "auto",
    "native",
    "_native_math",
    "_native_flash",
    "_native_cudnn",
    "_native_efficient",
    "flex",
    "flash",
    "_flash_3",
    "sage",
    "xformers",
]
"""diffusers' own names; those that would download a kernel are left out."""


@dataclass(frozen=True)
class RuntimeSettings:
    """The machine's side of a request; a command's request inherits it.

    Raises:
        InputError: A value that does not exist, or an offload that this device cannot have.
    """

    device: Device = setting("auto", "where to run")
    dtype: DType = setting("auto", "precision of the weights; auto is bfloat16 on a GPU, else float32")
    offload: Offload = setting(
        "none", "wait in main memory: whole models, or groups of blocks (least GPU memory)"
    )
    offload_folder: Path | None = setting(
        None,
        "with offload group: let weights wait on disk in this folder, not in main memory",
        unset="main memory",
        metavar="FOLDER",
        local=True,
    )
    quantise: Quantise = setting(
        "none", "hold the transformer's weights in fewer bits; int8 and int4 need quanto"
    )
    attention: Attention = setting(
        "auto",
        "attention kernel, by diffusers' name: native, flex, flash, sage, xformers ...",
        metavar="NAME",
    )
    tiling: bool = setting(True, "decode clips of more than 256 pixels or 64 frames in overlapping tiles")
    compile: bool = setting(False, "compile the transformer's blocks: a slow first step, faster ones after")

    def __post_init__(self) -> None:
        check(self)
        if self.offload_folder is not None and self.offload != "group":
            raise InputError(f"offload_folder is for offload group, and offload is {self.offload}")
        if self.device != "auto":
            check_offload(self.offload, self.device)

    def runtime(self) -> dict[str, Any]:
        """These settings by name, as a pipeline's `from_pretrained` takes them."""
        return {name: getattr(self, name) for name in settings(RuntimeSettings)}


def check_offload(offload: str, device: str) -> None:
    """Refuse to move weights out of a memory that is the main memory.

    Raises:
        InputError: An offload where the device is no GPU with memory of its own.
    """
    if offload != "none" and device != "cuda":
        raise InputError(
            f"offload {offload!r} moves weights between main memory and a GPU's own, and the device is "
            f"{device!r}: leave offload out, or run on cuda"
        )
