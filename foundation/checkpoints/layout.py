"""The one map between the layouts of HunyuanVideo's transformer: the official one and diffusers', which is ours.

A layer of the official layout is one layer of diffusers', or several whose rows it stacks: query, key and value,
and in single-stream blocks the feed-forward's first layer after them. All parts but the last have as many rows
as the model is wide, so the map serves any width. The final modulation holds [shift, scale] in the official
layout and [scale, shift] in diffusers'. The VAE's keys are the same in both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import torch

from shared.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

Parts = dict[str, "tuple[Tensor, ...]"]
"""Each tensor of the target layout as the row blocks that it stacks: views of the source, nothing is copied."""

_QKV = ("attn.to_q", "attn.to_k", "attn.to_v")
_ADDED_QKV = ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj")

_OUTSIDE = {
    "img_in.proj": "x_embedder.proj",
    "time_in.mlp.0": "time_text_embed.timestep_embedder.linear_1",
    "time_in.mlp.2": "time_text_embed.timestep_embedder.linear_2",
    "vector_in.in_layer": "time_text_embed.text_embedder.linear_1",
    "vector_in.out_layer": "time_text_embed.text_embedder.linear_2",
    "guidance_in.mlp.0": "time_text_embed.guidance_embedder.linear_1",
    "guidance_in.mlp.2": "time_text_embed.guidance_embedder.linear_2",
    "txt_in.input_embedder": "context_embedder.proj_in",
    "txt_in.t_embedder.mlp.0": "context_embedder.time_text_embed.timestep_embedder.linear_1",
    "txt_in.t_embedder.mlp.2": "context_embedder.time_text_embed.timestep_embedder.linear_2",
    "txt_in.c_embedder.linear_1": "context_embedder.time_text_embed.text_embedder.linear_1",
    "txt_in.c_embedder.linear_2": "context_embedder.time_text_embed.text_embedder.linear_2",
    "final_layer.adaLN_modulation.1": "norm_out.linear",
    "final_layer.linear": "proj_out",
}
_REFINER_BLOCK = {
    "norm1": "norm1",
    "norm2": "norm2",
    "self_attn_qkv": _QKV,
    "self_attn_proj": "attn.to_out.0",
    "mlp.fc1": "ff.net.0.proj",
    "mlp.fc2": "ff.net.2",
    "adaLN_modulation.1": "norm_out.linear",
}
_DOUBLE_BLOCK = {
    "img_mod.linear": "norm1.linear",
    "img_attn_qkv": _QKV,
    "img_attn_q_norm": "attn.norm_q",
    "img_attn_k_norm": "attn.norm_k",
    "img_attn_proj": "attn.to_out.0",
    "img_mlp.fc1": "ff.net.0.proj",
    "img_mlp.fc2": "ff.net.2",
    "txt_mod.linear": "norm1_context.linear",
    "txt_attn_qkv": _ADDED_QKV,
    "txt_attn_q_norm": "attn.norm_added_q",
    "txt_attn_k_norm": "attn.norm_added_k",
    "txt_attn_proj": "attn.to_add_out",
    "txt_mlp.fc1": "ff_context.net.0.proj",
    "txt_mlp.fc2": "ff_context.net.2",
}
_SINGLE_BLOCK = {
    "modulation.linear": "norm.linear",
    "linear1": (*_QKV, "proj_mlp"),
    "q_norm": "attn.norm_q",
    "k_norm": "attn.norm_k",
    "linear2": "proj_out",
}


def _layers() -> dict[str, tuple[str, ...]]:
    """Official layer -> its parts in diffusers' layout, `{}` for the number of a block."""
    inside = (
        (
            "txt_in.individual_token_refiner.blocks",
            "context_embedder.token_refiner.refiner_blocks",
            _REFINER_BLOCK,
        ),
        ("double_blocks", "transformer_blocks", _DOUBLE_BLOCK),
        ("single_blocks", "single_transformer_blocks", _SINGLE_BLOCK),
    )
    layers: dict[str, tuple[str, ...]] = {official: (own,) for official, own in _OUTSIDE.items()}
    for official_blocks, own_blocks, block in inside:
        for official, own in block.items():
            parts = (own,) if isinstance(own, str) else own
            layers[f"{official_blocks}.{{}}.{official}"] = tuple(
                f"{own_blocks}.{{}}.{part}" for part in parts
            )
    return layers


LAYERS = _layers()
SWAPPED = "final_layer.adaLN_modulation.1"
"""The layer whose halves change places between the layouts."""

_HOMES = {part: (official, place) for official, parts in LAYERS.items() for place, part in enumerate(parts)}
_BLOCK_NUMBER = re.compile(r"(?<=blocks\.)\d+")

_UNDERSCORED = {layer.replace(".", "_"): layer for layer in (*LAYERS, *_HOMES)}
_UNDERSCORED_NUMBER = re.compile(r"(?<=blocks_)\d+(?=_)")


def layout_of(layer: str) -> Literal["official", "diffusers"] | None:
    """The layout that has a layer of this name; None: neither has."""
    template, _ = _generic(layer)
    if template in LAYERS:
        return "official"
    return "diffusers" if template in _HOMES else None


def dotted(name: str) -> str | None:
    """The layer, of either layout, whose name with underscores for dots is given; None: there is none."""
    number = _UNDERSCORED_NUMBER.search(name)
    layer = _UNDERSCORED.get(_UNDERSCORED_NUMBER.sub("{}", name))
    return None if layer is None else layer.format(number[0] if number else "")


def diffusers_names(layer: str) -> tuple[str, ...]:
    """The parts in diffusers' layout of a layer of the official one (no `.weight` at its end).

    Raises:
        WeightsError: the official layout has no such layer.
    """
    template, number = _generic(layer)
    if template not in LAYERS:
        raise WeightsError(f"{layer} is no layer of HunyuanVideo's transformer in the official layout")
    return tuple(part.format(number) for part in LAYERS[template])


def official_name(layer: str) -> tuple[str, int]:
    """The official layer that holds a layer of diffusers' layout, and at which place of its parts.

    Raises:
        WeightsError: diffusers' layout has no such layer.
    """
    template, number = _generic(layer)
    if template not in _HOMES:
        raise WeightsError(f"{layer} is no layer of HunyuanVideo's transformer in diffusers' layout")
    official, place = _HOMES[template]
    return official.format(number), place


def to_diffusers(tensors: Mapping[str, Tensor]) -> Parts:
    """Official weights as diffusers' (views of rows).

    Raises:
        WeightsError: a key that the official layout does not have, or no patch embedding.
    """
    if "img_in.proj.weight" not in tensors:
        raise WeightsError("img_in.proj.weight is missing: it says how wide the model is")
    width = len(tensors["img_in.proj.weight"])
    parts: Parts = {}
    for key, tensor in tensors.items():
        layer, _, kind = key.rpartition(".")
        names = diffusers_names(layer)
        for name, rows in zip(names, split_rows(tensor, len(names), width), strict=True):
            parts[f"{name}.{kind}"] = swap_halves(rows) if layer == SWAPPED else (rows,)
    return parts


def to_official(tensors: Mapping[str, Tensor]) -> Parts:
    """Diffusers' weights as official ones.

    Raises:
        WeightsError: a key that diffusers' layout does not have, or a fused layer of which a part is missing.
    """
    found: dict[str, dict[int, Tensor]] = {}
    for key, tensor in tensors.items():
        layer, _, kind = key.rpartition(".")
        official, place = official_name(layer)
        found.setdefault(f"{official}.{kind}", {})[place] = tensor
    parts: Parts = {}
    for key, by_place in found.items():
        layer, _, kind = key.rpartition(".")
        names = diffusers_names(layer)
        absent = [name for place, name in enumerate(names) if place not in by_place]
        if absent:
            raise WeightsError(f"{absent[0]}.{kind} is missing: {layer} needs it")
        rows = tuple(by_place[place] for place in range(len(names)))
        parts[key] = swap_halves(rows[0]) if layer == SWAPPED else rows
    return parts


def split_rows(tensor: Tensor, parts: int, width: int) -> tuple[Tensor, ...]:
    """Views of a fused layer's rows: `width` for each part but the last, which takes the rest."""
    return tensor.tensor_split([width * place for place in range(1, parts)]) if parts > 1 else (tensor,)


def swap_halves(tensor: Tensor) -> tuple[Tensor, ...]:
    """The second half of the rows, then the first."""
    return tensor.chunk(2)[::-1]


def join(rows: tuple[Tensor, ...]) -> Tensor:
    """One tensor of its row blocks; a lone one is returned as it is."""
    return rows[0] if len(rows) == 1 else torch.cat(rows)


def joined_shape(rows: tuple[Tensor, ...]) -> tuple[int, ...]:
    """The shape that `join` would give, without joining: that of the numbers, however their bits are stored."""
    first = tuple(getattr(rows[0], "quant_shape", rows[0].shape))
    return first if len(rows) == 1 else (sum(len(part) for part in rows), *first[1:])


def _generic(layer: str) -> tuple[str, str]:
    """A layer's name with `{}` for its block's number, and that number ('' outside of blocks)."""
    number = _BLOCK_NUMBER.search(layer)
    return _BLOCK_NUMBER.sub("{}", layer), number[0] if number else ""
