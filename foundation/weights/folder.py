"""A model folder in diffusers' layout: what stands beside the weights."""

import json
from pathlib import Path
from typing import Any

import diffusers

from foundation.request import ModelDefaults
from foundation.weights.defaults import DEFAULTS_FILE, TRAINING_FILE
from foundation.weights.registry import INDEX_FILE, PARTS

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
    (folder / DEFAULTS_FILE).write_text(json.dumps(values, indent=2) + "\n")
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=float(defaults.shift))
    scheduler.save_pretrained(folder / "scheduler")
