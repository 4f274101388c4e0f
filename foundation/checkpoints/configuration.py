"""The configuration of a model whose file carries none: what shapes tell, the released weights' constants beside.

Shapes are those of diffusers' layout. What a `config.json` says on the same keys must agree.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any

from foundation.checkpoints.recognition import Architecture
from shared.errors import ConfigError, WeightsError

Shape = tuple[int, ...]
CONFIG_FILE = "config.json"


class Shapes(dict[str, Shape]):
    """Shapes by key; a missing key is a missing tensor."""

    def __missing__(self, key: str) -> Shape:
        raise WeightsError(f"the weights are incomplete: {key} is missing")

    def first(self, end: str) -> Shape:
        """The shape of the first key with that end."""
        return self[next((key for key in self if key.endswith(end)), f"*{end}")]

    def count(self, prefix: str) -> int:
        """How many numbered children a container has."""
        return len({key.removeprefix(prefix).split(".")[0] for key in self if key.startswith(prefix)})


@dataclass(frozen=True)
class Kind:
    """How the configuration of one architecture is found.

    Attributes:
        architecture: what it is about.
        told: what the shapes tell.
        granted: what they do not tell and the released weights have, given what is told.
        renamed: keys of the official `config.json` under other names.
        classes: the `_class_name`s that a `config.json` may carry.
    """

    architecture: Architecture
    told: Callable[[Shapes], dict[str, Any]]
    granted: Callable[[Mapping[str, Any]], dict[str, Any]]
    renamed: Mapping[str, str]
    classes: frozenset[str]


def configuration(
    kind: Kind, shapes: Shapes, given: Mapping[str, Any] | None, known: frozenset[str]
) -> tuple[dict[str, Any], str]:
    """Constructor arguments for weights of these shapes.

    Args:
        kind: the architecture.
        shapes: of all its tensors, in diffusers' layout.
        given: the contents of a `config.json`, or None.
        known: the constructor's arguments; other keys of the file are left out.

    Returns:
        The arguments, and a line that says aloud what was taken for granted or left out ('' for nothing).

    Raises:
        WeightsError: a tensor that is needed to tell is missing.
        ConfigError: the file contradicts the shapes, or is of another class.
    """
    told = kind.told(shapes)
    if given is None:
        granted = kind.granted(told)
        words = ", ".join(f"{key} {value}" for key, value in granted.items())
        return {**granted, **told}, f"without a {CONFIG_FILE}, taken for granted: {words}"
    name = given.get("_class_name")
    if name is not None and name not in kind.classes:
        raise ConfigError(f"{CONFIG_FILE} is of {name!r}; the weights are a {sorted(kind.classes)[0]}'s")
    values = {kind.renamed.get(key, key): value for key, value in given.items() if key[:1] != "_"}
    for key, value in told.items():
        if key in values and _plain(values[key]) != _plain(value):
            raise ConfigError(f"{CONFIG_FILE} says {key} {values[key]!r}; the weights have {value!r}")
    left_out = sorted(set(values) - known)
    note = f"{CONFIG_FILE}: {', '.join(left_out)} mean nothing here and are left out" if left_out else ""
    return {**{key: values[key] for key in values if key in known}, **told}, note


def read_config(source: Path | Mapping[str, Any]) -> dict[str, Any]:
    """A configuration from a mapping, a JSON file, or a folder's `config.json`.

    Raises:
        ConfigError: it is missing or no JSON object.
    """
    if isinstance(source, Mapping):
        return dict(source)
    path = source / CONFIG_FILE if source.is_dir() else source
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise ConfigError(f"{path} is no JSON: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path} is no configuration: a JSON object is expected")
    return values


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _transformer_told(shapes: Shapes) -> dict[str, Any]:
    dim, in_channels, patch_t, patch, _ = _five(shapes, "x_embedder.proj.weight")
    head_dim = shapes.first("blocks.0.attn.norm_q.weight")[0]
    double = "transformer_blocks.0.ff.net.0.proj.weight"
    widened = shapes[double if double in shapes else "single_transformer_blocks.0.proj_mlp.weight"][0]
    out_channels = shapes["proj_out.weight"][0] // (patch_t * patch**2)
    told: dict[str, Any] = {
        "in_channels": in_channels,
        "out_channels": out_channels,
        "num_attention_heads": dim // head_dim,
        "attention_head_dim": head_dim,
        "num_layers": shapes.count("transformer_blocks."),
        "num_single_layers": shapes.count("single_transformer_blocks."),
        "num_refiner_layers": shapes.count("context_embedder.token_refiner.refiner_blocks."),
        "mlp_ratio": widened / dim,
        "patch_size": patch,
        "patch_size_t": patch_t,
        "guidance_embeds": "time_text_embed.guidance_embedder.linear_1.weight" in shapes,
        "text_embed_dim": shapes["context_embedder.proj_in.weight"][1],
        "pooled_projection_dim": shapes["time_text_embed.text_embedder.linear_1.weight"][1],
    }
    if in_channels == 2 * out_channels + 1:  # noise, the picture's latents, and a mask
        told["image_condition_type"] = "latent_concat"
    return told


def _transformer_granted(told: Mapping[str, Any]) -> dict[str, Any]:
    head_dim = told["attention_head_dim"]
    time, space = head_dim // 8, head_dim * 7 // 16
    if head_dim % 32:
        raise WeightsError(
            f"heads {head_dim} wide do not tell how rotary positions share them: put a {CONFIG_FILE} beside"
        )
    granted: dict[str, Any] = {"rope_axes_dim": (time, space, space), "rope_theta": 256.0}
    return granted if "image_condition_type" in told else {**granted, "image_condition_type": None}


def _vae_told(shapes: Shapes) -> dict[str, Any]:
    blocks = shapes.count("encoder.down_blocks.")
    latent_channels = shapes["post_quant_conv.weight"][0]
    pixels = _five(shapes, "encoder.conv_in.conv.weight")[1]
    patch = isqrt(pixels // 3)
    return {
        "in_channels": pixels // patch**2 if patch else pixels,
        "out_channels": _five(shapes, "decoder.conv_out.conv.weight")[0] // max(patch, 1) ** 2,
        "latent_channels": latent_channels,
        "block_out_channels": tuple(
            _five(shapes, f"encoder.down_blocks.{block}.resnets.0.conv1.conv.weight")[0]
            for block in range(blocks)
        ),
        "layers_per_block": shapes.count("encoder.down_blocks.0.resnets."),
        "mid_block_add_attention": shapes.count("encoder.mid_block.attentions.") > 0,
        "patch_size": max(patch, 1),
        "norm_type": "group" if "encoder.conv_norm_out.bias" in shapes else "rms",
    }


def _vae_granted(told: Mapping[str, Any]) -> dict[str, Any]:
    blocks = len(told["block_out_channels"])
    return {
        "scaling_factor": 0.476986,
        "norm_num_groups": 32,
        "down_block_types": ("HunyuanVideoDownBlock3D",) * blocks,
        "up_block_types": ("HunyuanVideoUpBlock3D",) * blocks,
    }


def _five(shapes: Shapes, key: str) -> Shape:
    """The shape of a 3D convolution's kernel."""
    if len(shapes[key]) != 5 or 0 in shapes[key]:
        raise WeightsError(f"{key} has shape {shapes[key]}; a 3D convolution's has five numbers")
    return shapes[key]


TRANSFORMER = Kind(
    "transformer",
    _transformer_told,
    _transformer_granted,
    renamed={},
    classes=frozenset({"HunyuanVideoTransformer3DModel", "VideoTransformer"}),
)
VAE = Kind(
    "vae",
    _vae_told,
    _vae_granted,
    renamed={"time_compression_ratio": "temporal_compression_ratio"},
    classes=frozenset({"AutoencoderKLCausal3D", "AutoencoderKLHunyuanVideo", "CausalVideoVAE"}),
)

_KINDS = {"VideoTransformer": TRANSFORMER, "CausalVideoVAE": VAE}


def kind_of(model: type) -> Kind:
    """How the configuration of a model class is found."""
    return _KINDS[model.__name__]
