"""LoRAs of the sound transformer, in diffusers' format: its layers are no other model's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from apps.v2a.model.transformer import AudioTransformer
from foundation.checkpoints.lora.adapters import ADAPTER
from foundation.checkpoints.lora.source import FOLDER_FILE, Lora
from shared.errors import WeightsError, first_line


def save_lora(model: AudioTransformer, folder: Path) -> Path:
    """Write a model's adapter into a folder; the file."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_lora_adapter(str(folder), adapter_name=ADAPTER, weight_name=FOLDER_FILE)
    return folder / FOLDER_FILE


def load_loras(
    model: AudioTransformer, loras: Sequence[Lora], note: Callable[[str], None] | None = None
) -> None:
    """Add LoRAs to a model that shall run, each at its scale.

    Args:
        model: without adapters, changed in place.
        loras: which ones.
        note: told of each.

    Raises:
        WeightsError: a file is of another model.
    """
    names = [f"lora_{number}" for number in range(len(loras))]
    for name, lora in zip(names, loras, strict=True):
        try:
            model.load_lora_adapter(
                str(lora.path.parent), prefix=None, weight_name=lora.path.name, adapter_name=name
            )
        except (ValueError, RuntimeError, KeyError) as error:
            raise WeightsError(f"{lora.path} is a LoRA of another model: {first_line(error)}") from error
        if name not in (getattr(model, "peft_config", None) or {}):
            raise WeightsError(f"{lora.path} is a LoRA of another model: none of its layers is here")
        if note is not None:
            note(f"LoRA {lora.path} at scale {lora.scale:g}")
    model.set_adapters(names, [lora.scale for lora in loras])
    model.requires_grad_(False)
