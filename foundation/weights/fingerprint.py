"""What identifies weights: sha256 over their files, and over the tensors that others were trained on."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from foundation.text import TextEncoder
    from foundation.vae.model import CausalVideoVAE

BLOCK = 1 << 22


def file_sha256(path: Path) -> str:
    """Hex sha256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def folder_sha256(folder: Path) -> dict[str, str]:
    """Relative path -> sha256 of every safetensors file of a model folder, sorted by path."""
    files = sorted(folder.rglob("*.safetensors"))
    return {file.relative_to(folder).as_posix(): file_sha256(file) for file in files}


def latents_sha256(vae: CausalVideoVAE) -> str:
    """Identity of a latent space: the VAE's encoder, `quant_conv` and scaling factor; the decoder may improve."""
    tensors = {k: v for k, v in vae.state_dict().items() if k.startswith(("encoder.", "quant_conv."))}
    return _tensors_sha256(tensors, f"{vae.config.scaling_factor:.9g}")


def text_sha256(text: TextEncoder) -> str:
    """Identity of an embedding space: the weights of both text encoders."""
    return _tensors_sha256({**text.mllm.model.state_dict(), **text.clip.model.state_dict(prefix="clip.")})


def _tensors_sha256(tensors: dict[str, Tensor], extra: str = "") -> str:
    """Over names and values as float32, so that a cast that loses nothing changes nothing."""
    digest = hashlib.sha256(extra.encode())
    for key in sorted(tensors):
        digest.update(key.encode())
        digest.update(tensors[key].detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
