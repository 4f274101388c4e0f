"""What identifies weights: sha256 over their files, and over the tensors that others were trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from foundation.weights.record import open_record

if TYPE_CHECKING:
    from torch import Tensor

    from foundation.text import TextEncoder
    from foundation.vae.model import CausalVideoVAE


def folder_sha256(folder: Path) -> dict[str, str]:
    """Relative path -> sha256 of every safetensors file of a model folder, sorted by path."""
    files = sorted(folder.rglob("*.safetensors"))
    return files_sha256({file.relative_to(folder).as_posix(): file for file in files})


def files_sha256(files: Mapping[str, Path]) -> dict[str, str]:
    """Name -> sha256 of each file; those that have not changed since they were last hashed are not read."""
    with open_record() as record:
        return {name: record.sha256(file) for name, file in files.items()}


def latents_sha256(vae: CausalVideoVAE) -> str:
    """Identity of a latent space: the VAE's encoder, `quant_conv` and scaling factor; the decoder may improve."""
    tensors = {k: v for k, v in vae.state_dict().items() if k.startswith(("encoder.", "quant_conv."))}
    return _tensors_sha256(tensors, f"{vae.config.scaling_factor:.9g}")


def text_sha256(text: TextEncoder) -> str:
    """Identity of an embedding space: what turns a prompt into states and a pooled vector.

    The language model's layers above the states, its eyes and its output head may change.
    """
    decoder = text.mllm.decoder
    parts = {"embed": decoder.embed_tokens, "layers": decoder.layers[: text.mllm.depth]}
    states = {f"{name}.{k}": v for name, part in parts.items() for k, v in part.state_dict().items()}
    return _tensors_sha256({**states, **text.clip.model.state_dict(prefix="clip.")})


def _tensors_sha256(tensors: dict[str, Tensor], extra: str = "") -> str:
    """Over names and values as float32, so that a cast that loses nothing changes nothing."""
    digest = hashlib.sha256(extra.encode())
    for key in sorted(tensors):
        digest.update(key.encode())
        digest.update(tensors[key].detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
