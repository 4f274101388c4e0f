"""What a weights file holds, told from its keys: which architecture, in which layout, behind which prefix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from shared.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

Architecture = Literal["transformer", "vae"]
Layout = Literal["official", "diffusers"]

WORDS: dict[str, str] = {"transformer": "video transformer", "vae": "video VAE"}

_SIGNS: dict[Architecture, dict[str, Layout]] = {
    "transformer": {"img_in.proj.weight": "official", "x_embedder.proj.weight": "diffusers"},
    "vae": {"encoder.conv_in.conv.weight": "diffusers", "decoder.conv_in.conv.weight": "diffusers"},
}
"""A key that tells the architecture and the layout; the VAE's two layouts are the same."""

_PREFIXES = (
    "", "module.", "ema.", "state_dict.", "model.", "model.model.", "diffusion_model.",
    "model.diffusion_model.", "transformer.", "vae.", "first_stage_model.",
)  # fmt: skip

_OTHERS = {
    "lora": "a LoRA adapter, which goes on top of a model (--lora)",
    "hada_": "a LoRA adapter, which goes on top of a model (--lora)",
    "lokr_": "a LoRA adapter, which goes on top of a model (--lora)",
    "text_model.": "a CLIP text encoder",
    "vision_model.": "a CLIP vision encoder",
    "embed_tokens.": "a language model",
    "encoder.block.0.": "a T5 encoder",
    "input_blocks.": "a Stable Diffusion model",
    "down_blocks.0.attentions.": "a diffusion U-Net",
    "double_blocks.0.img_attn.qkv": "a Flux transformer",
    "blocks.0.cross_attn.": "a Wan transformer",
}
"""Part of a key -> what such a file is, for the refusal."""


@dataclass(frozen=True)
class Found:
    """One model inside a weights file."""

    architecture: Architecture
    layout: Layout
    tensors: Mapping[str, Tensor]
    """By key, the prefix taken off."""


def find(tensors: Mapping[str, Tensor], wanted: Architecture, path: Path) -> Found:
    """The wanted model in a file; what lies beside its prefix belongs to other models.

    Raises:
        WeightsError: it is not in there; the line says what is.
    """
    found = _search(tensors, wanted)
    if found is None:
        raise WeightsError(f"{path} holds {describe(tensors)}; a {WORDS[wanted]} is needed")
    return found


def recognise(tensors: Mapping[str, Tensor], path: Path) -> Found:
    """The transformer or the VAE in a file, whichever it is.

    Raises:
        WeightsError: it is neither.
    """
    found = _search(tensors, "transformer") or _search(tensors, "vae")
    if found is None:
        raise WeightsError(f"{path} holds {describe(tensors)}; a video transformer or VAE is needed")
    return found


def describe(tensors: Mapping[str, Tensor]) -> str:
    """What a file that was not recognised as the wanted model seems to be."""
    for part, words in _OTHERS.items():
        if any(part in key for key in tensors):
            return words
    for architecture in _SIGNS:
        if _search(tensors, architecture) is not None:
            return f"a {WORDS[architecture]}"
    return f"an unknown model (its first tensor is {_first(tensors)})"


def _search(tensors: Mapping[str, Tensor], wanted: Architecture) -> Found | None:
    if any("lora_" in key for key in tensors):
        return None
    for prefix in _PREFIXES:
        for sign, layout in _SIGNS[wanted].items():
            if f"{prefix}{sign}" in tensors:
                own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
                return Found(wanted, layout, own)
    return None


def _first(keys: Iterable[str]) -> str:
    return repr(next(iter(keys), "")[:60])
