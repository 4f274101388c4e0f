"""Weights from one layout to the other: `kinora models convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from foundation.checkpoints.configuration import (
    CONFIG_FILE,
    TRANSFORMER,
    VAE,
    Kind,
    Shapes,
    configuration,
)
from foundation.checkpoints.layout import (
    Parts,
    diffusers_names,
    joined_shape,
    official_name,
    to_official,
)
from foundation.checkpoints.recognition import Architecture, Found, Layout, recognise
from foundation.checkpoints.registry import GGUF, INDEX_FILE
from foundation.checkpoints.single_file import Note, Opened, open_weights
from foundation.checkpoints.tensors import read_tensors
from foundation.checkpoints.writing import Pending, write_pickle, write_safetensors, write_shards
from foundation.models.float8 import FLOAT8, SCALE_DTYPE
from foundation.models.transformer.model import VideoTransformer
from foundation.models.vae.model import CausalVideoVAE
from shared.errors import ConfigError, InputError, WeightsError
from shared.media.files import check_space, replacing

ARCHITECTURES: dict[Architecture, tuple[Any, Kind, str | None]] = {
    "transformer": (VideoTransformer, TRANSFORMER, "module"),
    "vae": (CausalVideoVAE, VAE, None),
}
"""Class, kind, and the outer key of the official `.pt`."""


def convert(
    source: Path, target: Path, layout: Layout, dtype: torch.dtype | None = None, note: Note | None = None
) -> None:
    """Write a transformer or a VAE in a layout; the target appears whole or not at all.

    Args:
        source: a file in either layout, or a part of a model folder (with `config.json`).
        target: `.safetensors` or (official) `.pt`; without a suffix a folder, in diffusers' layout.
        layout: of the target.
        dtype: of the target; None: the source's, bfloat16 for 8-bit weights.
        note: told what was taken for granted and what was written beside.

    Raises:
        WeightsError: the source is missing, damaged, or neither a transformer nor a VAE.
        InputError: the target does not suit the layout, or cannot be written.
        ResourceError: the disk has no room for it.
    """
    _check_target(target, layout)
    if (source / INDEX_FILE).is_file():
        raise WeightsError(
            f"{source} is a whole model: give its part, {source / 'transformer'} or {source / 'vae'}"
        )
    if source.suffix == GGUF:
        raise InputError(f"{source} is quantised, and what was lost does not come back: convert its original")
    architecture, kind, wrapper = ARCHITECTURES[recognise(read_tensors(source), source).architecture]
    opened = open_weights(architecture, kind, source, note=note)
    tensors = _pending(opened, layout, dtype)
    check_space(sum(pending.size for pending in tensors.values()), target.parent)
    config = opened.model.to_json_string()
    beside = _config_beside(opened, kind, target)
    with replacing(target) as temporary:
        if target.suffix == ".pt":
            write_pickle(temporary, tensors, wrapper)
        elif target.suffix == ".safetensors":
            write_safetensors(temporary, tensors)
        else:
            write_shards(temporary, tensors, config)
    if beside is not None:
        with replacing(beside) as temporary:
            temporary.write_text(config)
        if note is not None:
            note(f"{beside} holds what the shapes of {target.name} do not tell: keep it beside")


def _check_target(target: Path, layout: Layout) -> None:
    forms = {"official": (".safetensors", ".pt"), "diffusers": ("", ".safetensors")}[layout]
    if target.suffix not in forms:
        kinds = ["a folder" if form == "" else f"a {form} file" for form in forms]
        raise InputError(f"{target} does not suit the {layout} layout: {' or '.join(kinds)} is written")


def _pending(opened: Opened, layout: Layout, dtype: torch.dtype | None) -> dict[str, Pending]:
    """Every tensor of the target, not yet read."""
    pending = {}
    for key, rows in _parts(opened, layout).items():
        layer = key.rpartition(".")[0]
        scales: tuple[Tensor | None, ...] = (None,) * len(rows)
        if rows[0].dtype in FLOAT8:
            scales = tuple(opened.scales[source] for source in _sources(layer, opened.found, layout))
        own = SCALE_DTYPE if rows[0].dtype in FLOAT8 else rows[0].dtype
        pending[key] = Pending(rows, scales, dtype or own)
    return pending


def _parts(opened: Opened, layout: Layout) -> Parts:
    found = opened.found
    if found.architecture == "vae" or found.layout == layout:
        return {key: (tensor,) for key, tensor in found.tensors.items()}
    return to_official(found.tensors) if layout == "official" else opened.parts


def _sources(layer: str, found: Found, layout: Layout) -> tuple[str, ...]:
    """The layers of the source that a layer of the target stacks, or the one that it is cut from."""
    if found.architecture == "vae" or found.layout == layout:
        return (layer,)
    return diffusers_names(layer) if layout == "official" else (official_name(layer)[0],)


def _config_beside(opened: Opened, kind: Kind, target: Path) -> Path | None:
    """Where the configuration must lie for a file whose shapes do not tell it; None when they do."""
    if not target.suffix or _is_told(opened, kind):
        return None
    beside = target.with_name(CONFIG_FILE)
    if beside.exists():
        raise InputError(
            f"{beside} is in the way: the shapes of {target.name} do not tell its configuration, which goes there"
        )
    return beside


def _is_told(opened: Opened, kind: Kind) -> bool:
    """Whether the shapes alone lead to the same configuration."""
    shapes = Shapes({key: joined_shape(rows) for key, rows in opened.parts.items()})
    try:
        told, _ = configuration(kind, shapes, None, frozenset())
        with torch.device("meta"):
            alike = type(opened.model)(**told)
    except (WeightsError, ConfigError, ValueError):
        return False
    return alike.to_json_string() == opened.model.to_json_string()
