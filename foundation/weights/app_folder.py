"""What an app's recipe makes of a model: a folder that holds what changed, and says on which model it stands.

A folder of an adapter holds `pytorch_lora_weights.safetensors`, the other parameters that changed in
`modules.safetensors`, and `app.json`: the model under it, and what of its configuration is new. A folder of whole
weights holds a `transformer` instead. In both, what belongs to no app comes from the model under it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from foundation.transformer.model import VideoTransformer, widen_patch_embedding
from foundation.weights.fingerprint import files_sha256
from foundation.weights.loading import load_model
from foundation.weights.lora.adapters import merge_lora, save_lora
from foundation.weights.lora.source import Lora
from foundation.weights.registry import APP_FILE, STARTER, ModelParts, read_app
from foundation.weights.single_file import Note
from shared.config import shorten
from shared.errors import InputError, WeightsError, first_line
from shared.media.files import replacing

MODULES_FILE = "modules.safetensors"
CHANGED = {"in_channels", "image_condition_type"}
"""Keys of a transformer's configuration that a recipe changes."""


@dataclass(frozen=True)
class AppRecord:
    """What `app.json` says.

    Attributes:
        app: whose weights they are.
        recipe: what made them.
        base: the model under them: a registered name or a folder.
        base_sha256: of its transformer's files, where they are needed.
        rank: of the adapter.
        config: the transformer's configuration, where it differs from the base's.
    """

    app: str
    recipe: str
    base: str
    base_sha256: tuple[str, ...] = ()
    rank: int | None = None
    config: Mapping[str, Any] = field(default_factory=dict)


def load_transformer(
    parts: ModelParts, dtype: torch.dtype, quantisation: Any = None, note: Note | None = None
) -> VideoTransformer:
    """The transformer of a model, with an app's adapter in its weights where there is one.

    Args:
        parts: where the model lies.
        dtype: of its parameters.
        quantisation: as in `load_model`; not for an adapter, which is added to the weights.
        note: as in `load_model`.

    Raises:
        WeightsError: as in `load_model`; or the adapter is damaged, or stands on another model.
        InputError: an adapter shall be quantised.
    """
    if parts.overlay is None:
        return load_model(VideoTransformer, parts.transformer, dtype, quantisation, note)
    if quantisation is not None:
        raise InputError(
            f"{parts.overlay} is an adapter, whose sum with the model is not quantised: use bf16"
        )
    _check_base(parts, parts.overlay)
    model = load_model(VideoTransformer, parts.transformer, dtype, note=note)
    _configure(model, read_app(parts.overlay).get("config", {}))
    _replace_modules(model, parts.overlay / MODULES_FILE)
    merge_lora(model, Lora(parts.overlay))
    return model


def write_adapter(model: VideoTransformer, folder: Path, record: AppRecord) -> None:
    """Write a model's adapter and every other parameter that was trained, in bfloat16; the model is cast.

    Args:
        model: with its adapter, not wrapped.
        folder: where the three files go.
        record: what they are.
    """
    model.to(torch.bfloat16)
    save_lora(model, folder)
    trained = {k: p.detach() for k, p in model.named_parameters() if p.requires_grad and ".lora_" not in k}
    with replacing(folder / MODULES_FILE) as temporary:
        temporary.write_bytes(save({name: tensor.contiguous() for name, tensor in trained.items()}))
    write_record(folder, record)


def write_record(folder: Path, record: AppRecord) -> None:
    """Write `app.json`."""
    with replacing(folder / APP_FILE) as temporary:
        temporary.write_text(json.dumps(asdict(record), indent=1) + "\n")


def name_of_base(folder: Path) -> str:
    """How `app.json` names a model folder: by the name that it has everywhere, else by its place here."""
    return "starter" if folder.resolve() == STARTER else str(folder.resolve())


def transformer_sha256(parts: ModelParts) -> tuple[str, ...]:
    """Hashes of the files of a model's transformer, sorted."""
    files = {name: file for name, file in parts.weights().items() if name.startswith("transformer/")}
    return tuple(sorted(files_sha256(files).values()))


def _check_base(parts: ModelParts, folder: Path) -> None:
    wanted, there = read_app(folder).get("base_sha256"), transformer_sha256(parts)
    if wanted != list(there):
        raise WeightsError(
            f"{folder} is an adapter for another transformer than {parts.transformer}, whose files changed or "
            "were others: train it again, or name its own with --base"
        )


def _configure(model: VideoTransformer, config: Mapping[str, Any]) -> None:
    """Bring a model to the configuration that an adapter was trained in."""
    if not config.keys() <= CHANGED or not isinstance(config.get("in_channels", 0), int):
        raise WeightsError(f"{APP_FILE} is damaged: its config is {shorten(config)}")
    if "in_channels" in config:
        widen_patch_embedding(model, config["in_channels"])
    model.register_to_config(**config)


@torch.no_grad()
def _replace_modules(model: VideoTransformer, file: Path) -> None:
    parameters = dict(model.named_parameters())
    for name, tensor in _read(file).items():
        if name not in parameters or parameters[name].shape != tensor.shape:
            raise WeightsError(f"{file} holds {name} {tuple(tensor.shape)}, which the model has no place for")
        parameters[name].copy_(tensor)


def _read(file: Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{file} is missing or damaged: {first_line(error)}") from error
