"""Model folders in diffusers' layout, and app folders that stand on another model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import diffusers
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from foundation.checkpoints.defaults import DEFAULTS_FILE, TRAINING_FILE, ModelDefaults
from foundation.checkpoints.hashes import files_sha256
from foundation.checkpoints.loading import load_model
from foundation.checkpoints.lora.adapters import merge_lora, save_lora
from foundation.checkpoints.lora.source import Lora
from foundation.checkpoints.registry import APP_FILE, INDEX_FILE, PARTS, STARTER, ModelParts, read_app
from foundation.checkpoints.single_file import Note
from foundation.models.transformer.model import VideoTransformer, widen_patch_embedding
from shared.config import shorten
from shared.errors import InputError, WeightsError, first_line
from shared.media.files import replacing

FROZEN_FILE = "frozen.json"
"""Beside weights that were trained on others' outputs: the sha256 of those others."""

PIPELINE = "HunyuanVideoPipeline"
IMAGE_PROCESSOR = "image_processor"
COMPONENTS = tuple(sorted((*PARTS, "scheduler")))
"""What a whole model folder holds, in the order of its index."""


def write_index(folder: Path, pipeline: str = PIPELINE) -> None:
    """Write `model_index.json`, naming each part by the class that its own configuration names.

    Classes of diffusers are named as diffusers', so that its own pipeline opens the folder; a class of ours (a
    VAE with keys of our own) as `foundation`'s.

    Args:
        folder: of the model.
        pipeline: diffusers' class for it; other classes than `PIPELINE` may have an image processor.
    """
    index: dict[str, Any] = {"_class_name": pipeline, "_diffusers_version": diffusers.__version__}
    sees = pipeline != PIPELINE and (folder / IMAGE_PROCESSOR).is_dir()
    for name in (*COMPONENTS, IMAGE_PROCESSOR) if sees else COMPONENTS:
        index[name] = list(_class_of(folder / name))
    (folder / INDEX_FILE).write_text(json.dumps(index, indent=2) + "\n")


def _class_of(part: Path) -> tuple[str, str]:
    """Library and class of a part of a model folder."""
    if (part / "scheduler_config.json").exists():
        return "diffusers", json.loads((part / "scheduler_config.json").read_text())["_class_name"]
    if (part / "tokenizer_config.json").exists():
        return "transformers", json.loads((part / "tokenizer_config.json").read_text())["tokenizer_class"]
    if (part / "preprocessor_config.json").exists():
        return "transformers", json.loads((part / "preprocessor_config.json").read_text())[
            "image_processor_type"
        ]
    config = json.loads((part / "config.json").read_text())
    if "architectures" in config:
        return "transformers", config["architectures"][0]
    name = config["_class_name"]
    return ("diffusers" if hasattr(diffusers, name) else "foundation"), name


def write_training(part: Path, settings: dict[str, Any], start: Path | None = None) -> None:
    """Write `training.json`: the runs of the weights that training started from, then this one."""
    before = start / TRAINING_FILE if start is not None else None
    runs = json.loads(before.read_text()) if before is not None and before.exists() else []
    (part / TRAINING_FILE).write_text(json.dumps([*runs, settings], indent=1) + "\n")


def write_defaults(folder: Path, defaults: ModelDefaults) -> None:
    """Write `kinora.json` and the scheduler's configuration, where the shift belongs."""
    values = {
        "fps": defaults.fps,
        "size": list(defaults.size),
        "frames": defaults.frames,
        "steps": defaults.steps,
        "cfg": defaults.cfg,
    }
    if defaults.guidance is not None:
        values["guidance"] = defaults.guidance
    if (trained := defaults.trained) is not None:
        values["trained"] = {
            "sizes": [list(trained.smallest), list(trained.largest)],
            "frames": [trained.shortest, trained.longest],
        }
    (folder / DEFAULTS_FILE).write_text(json.dumps(values, indent=2) + "\n")
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=float(defaults.shift))
    scheduler.save_pretrained(folder / "scheduler")


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
