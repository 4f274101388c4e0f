"""Which LoRA files a run takes and at which scale; read, checked and recorded without torch."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from foundation.checkpoints.hashes import files_sha256, open_record
from shared.config import local_path, shorten
from shared.errors import InputError, WeightsError, first_line

LARGEST_SCALE = 10.0
TARGETS = (
    "attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0",
    "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", "attn.to_add_out",
    "ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2",
    "proj_mlp", "proj_out",
)  # fmt: skip
"""The linear layers of the blocks but for their modulations, as LoRAs for these weights commonly have them."""

SUFFIX = ".safetensors"
FOLDER_FILE = "pytorch_lora_weights.safetensors"
"""What diffusers calls the LoRA in a folder."""

_WRITTEN = re.compile(r"(?P<file>.+?)(?::(?P<scale>[^:/\\]*))?", re.DOTALL)
_WANTED = f"FILE or FILE:SCALE with a scale from -{LARGEST_SCALE:g} to {LARGEST_SCALE:g}"
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Lora:
    """A LoRA file, or the folder that holds one, and what its update is multiplied by; written `FILE:SCALE`.

    Raises:
        InputError: the scale is not finite, or beyond `LARGEST_SCALE`.
    """

    file: Path
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not abs(self.scale) <= LARGEST_SCALE:
            raise InputError(
                f"the scale of {self.file} must be -{LARGEST_SCALE:g} to {LARGEST_SCALE:g}, not {self.scale}"
            )

    def __str__(self) -> str:
        return f"{self.file}:{self.scale}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `FILE` or `FILE:SCALE`.

        Raises:
            ValueError: it is neither; the message says what is wanted.
        """
        written = _WRITTEN.fullmatch(text)
        with contextlib.suppress(ValueError, InputError):
            if written is not None:
                scale = 1.0 if written["scale"] is None else float(written["scale"])
                return cls(local_path(written["file"]), scale)
        raise ValueError(_WANTED)

    @property
    def path(self) -> Path:
        """The safetensors file."""
        return self.file / FOLDER_FILE if self.file.is_dir() else self.file


def check_loras(loras: Iterable[Lora]) -> None:
    """Open every file's header, so that a wrong path or a damaged file costs no waiting.

    Raises:
        WeightsError: a file is missing, empty, cut or damaged, or holds no LoRA.
    """
    for lora in loras:
        keys, _ = read_header(lora.path)
        if not any("lora" in key for key in keys):
            raise WeightsError(
                f"{lora.path} holds no LoRA: of its {len(keys)} tensors ({shorten(next(iter(keys), ''))} ...) "
                "none is named lora_A or lora_down"
            )


def read_header(path: Path) -> tuple[list[str], dict[str, str]]:
    """The keys of a safetensors file and its metadata; no tensor is read.

    Raises:
        WeightsError: the file is missing, empty, cut, damaged, or of another format.
    """
    if not path.is_file():
        raise WeightsError(f"{path} is missing: a LoRA's {SUFFIX} file, or the folder of one, is needed")
    if not path.stat().st_size:
        raise WeightsError(f"{path} is empty: fetch or copy it again")
    if path.suffix != SUFFIX:
        raise WeightsError(f"{path} is no {SUFFIX} file, and LoRAs are read from nothing else")
    from safetensors import safe_open  # brings numpy, which `--help` shall not wait for

    try:
        with safe_open(path, framework="np") as file:
            return list(file.keys()), dict(file.metadata() or {})
    except Exception as error:  # the library names no common class for what a stranger's header can cause
        raise WeightsError(f"{path} is damaged or cut: {first_line(error)}; fetch it again") from error


def describe_loras(loras: Sequence[Lora]) -> list[dict[str, Any]]:
    """What a receipt says of a run's LoRAs: name, sha256 and scale, in their order."""
    digests = files_sha256({str(lora.path): lora.path for lora in loras})
    return [
        {"name": lora.path.name, "sha256": digests[str(lora.path)], "scale": lora.scale} for lora in loras
    ]


def find_recorded(recorded: Any, given: Sequence[Path] = ()) -> tuple[Lora, ...]:
    """The LoRAs of a receipt, as files of this machine.

    Args:
        recorded: a stranger's list, as `describe_loras` makes it.
        given: files to look at first; beyond them, those that this machine has hashed before.

    Raises:
        InputError: the receipt says anything else.
        WeightsError: a file is not here, or has changed since.
    """
    if not isinstance(recorded, list):
        raise InputError(f"the receipt's lora must be a list, not {shorten(recorded)}")
    paths = [Lora(local_path(file)).path for file in given]
    for path in paths:
        read_header(path)
    here = {digest: Path(path) for path, digest in files_sha256({str(path): path for path in paths}).items()}
    return tuple(_find(_checked(entry), here) for entry in recorded)


def _find(entry: Mapping[str, Any], here: Mapping[str, Path]) -> Lora:
    digest = entry["sha256"]
    path = here.get(digest)
    if path is None:
        with open_record() as record:
            path = record.find(digest)
    if path is None:
        raise WeightsError(
            f"the LoRA that made the clip is not here, or has changed since: {shorten(entry['name'])} with "
            f"sha256 {digest[:16]}...; name it with --lora"
        )
    return Lora(path, entry["scale"])


def _checked(entry: Any) -> Mapping[str, Any]:
    fits = (
        isinstance(entry, dict)
        and entry.keys() == {"name", "sha256", "scale"}
        and isinstance(entry["name"], str)
        and isinstance(entry["sha256"], str)
        and _HASH.fullmatch(entry["sha256"])
        and isinstance(entry["scale"], int | float)
        and math.isfinite(entry["scale"])
    )
    if not fits:
        raise InputError(f"the receipt's lora must have name, sha256 and scale, not {shorten(entry)}")
    return entry
