"""LoRAs in a transformer: matched to its layers, added for training, saved, and loaded to run, through peft."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.modeling_utils import ModelMixin
from peft import LoraConfig
from peft.tuners.lora import LoraLayer
from torch import nn

from foundation.checkpoints.lora.files import LoraFile, read_lora, write_lora
from foundation.checkpoints.lora.metadata import lora_config
from foundation.checkpoints.lora.pairs import Pair
from foundation.checkpoints.lora.source import FOLDER_FILE, SUFFIX, TARGETS, Lora
from foundation.checkpoints.single_file import Note
from shared.config import near_miss, shorten, some_of
from shared.errors import ConfigError, WeightsError

BLOCKS = ("transformer_blocks.", "single_transformer_blocks.")
ADAPTER = "default"


@dataclass(frozen=True)
class Match:
    """A LoRA held against a model.

    Attributes:
        pairs: the updates of layers that the model has.
        matched: how many of the file's keys they come from.
        unmatched: the file's other keys.
    """

    pairs: dict[str, Pair]
    matched: int
    unmatched: tuple[str, ...]

    def __str__(self) -> str:
        """The counts, and the names of keys that found no place."""
        line = f"{self.matched} keys matched, {len(self.unmatched)} unmatched"
        return f"{line}: {some_of(self.unmatched)}" if self.unmatched else line


def add_lora(
    model: ModelMixin, rank: int = 16, alpha: float | None = None, targets: Sequence[str] = TARGETS
) -> list[str]:
    """Freeze a model and add an adapter to train: its parameters alone require gradients.

    The update starts at zero, so the model computes what it did. The down factors are drawn from torch's generator.

    Args:
        model: the transformer, changed in place.
        rank: of every update.
        alpha: alpha / rank scales the update; None: the rank.
        targets: ends of the names of layers in the blocks, or whole names of layers anywhere.

    Returns:
        The names of the layers that have the adapter.

    Raises:
        ConfigError: a rank or alpha that is not above zero, a target that names no layer, or a model that has an
            adapter already.
    """
    alpha = float(rank) if alpha is None else alpha
    if rank < 1 or not alpha > 0:
        raise ConfigError(
            f"an adapter's rank must be 1 or more and its alpha above 0, not {rank} and {alpha}"
        )
    if getattr(model, "peft_config", None):
        raise ConfigError("the model has an adapter already: add_lora takes a model without one")
    layers = _targeted(model, targets)
    model.requires_grad_(False)
    config: dict[str, Any] = {"r": rank, "lora_alpha": alpha, "target_modules": layers}
    model.add_adapter(LoraConfig(**config), ADAPTER)
    return layers


def save_lora(model: ModelMixin, target: Path | str, adapter: str = ADAPTER) -> Path:
    """Write a model's adapter in diffusers' format; the file appears whole or not at all.

    Args:
        model: with the adapter, not wrapped.
        target: a `.safetensors` file, or a folder, in which the file is called `FOLDER_FILE`.
        adapter: its name in the model.

    Returns:
        The file.

    Raises:
        ConfigError: the model has no such adapter.
        InputError: the file cannot be written.
        ResourceError: the disk is full.
    """
    pairs = {
        name: Pair(
            layer.lora_A[adapter].weight, layer.lora_B[adapter].weight, float(layer.lora_alpha[adapter])
        )
        for name, layer in model.named_modules()
        if isinstance(layer, LoraLayer) and adapter in layer.lora_A
    }
    if not pairs:
        raise ConfigError(f"the model has no adapter {adapter!r}: add_lora gives it one")
    target = Path(target)
    path = target if target.suffix == SUFFIX else target / FOLDER_FILE
    write_lora(path, pairs, "diffusers")
    return path


def load_loras(model: ModelMixin, loras: Sequence[Lora], note: Note | None = None) -> None:
    """Add LoRAs to a model that shall run, each at its scale; one at scale 0 leaves it as it is.

    All files are held against the model before it changes. The factors take the model's dtype.

    Args:
        model: without adapters, changed in place; where its weights are stored in 8 bits, they stay so.
        loras: which ones.
        note: told for each which keys found a place.

    Raises:
        WeightsError: a file is missing, damaged, of another model, or has no key that the model has a layer for.
    """
    matches = [match(model, read_lora(lora.path)) for lora in loras]
    scales = {}
    for number, (lora, found) in enumerate(zip(loras, matches, strict=True)):
        if note is not None:
            note(f"LoRA {lora.path} at scale {lora.scale:g}: {found}")
        if lora.scale:
            scales[f"lora_{number}"] = lora.scale
            _inject(model, f"lora_{number}", found.pairs)
    if scales:
        model.set_adapters(list(scales), list(scales.values()))
        model.requires_grad_(False)


@torch.no_grad()
def merge_lora(model: ModelMixin, lora: Lora) -> None:
    """Add a LoRA to a model's own weights, all of it, so that it costs nothing afterwards.

    Raises:
        WeightsError: the file is missing, damaged, or has a key that the model has no layer for.
    """
    found = match(model, read_lora(lora.path))
    if found.unmatched:
        raise WeightsError(f"{lora.path} is a LoRA of another model: {found}")
    for name, pair in found.pairs.items():
        weight = model.get_submodule(name).weight
        update = pair.up.flatten(1).float() @ pair.down.flatten(1).float()
        weight.copy_(weight.float() + lora.scale * pair.scale * update.view_as(weight).to(weight.device))


def match(model: nn.Module, file: LoraFile) -> Match:
    """Hold a LoRA against a model, which may be on the meta device.

    Raises:
        WeightsError: no layer of the LoRA is in the model, or one has another shape there.
    """
    layers = dict(model.named_modules())
    pairs = {name: pair for name, pair in file.pairs.items() if name in layers}
    for name, pair in pairs.items():
        if _shape(pair) != _sizes(layers[name]):
            raise WeightsError(
                f"{file.path} is a LoRA of another model: it maps {_words(_shape(pair))} in {name}, and the model "
                f"{_words(_sizes(layers[name]))}"
            )
    keys = {key for name in pairs for key in file.keys[name]}
    absent = dict.fromkeys(key for name, own in file.keys.items() if name not in pairs for key in own)
    unmatched = (*(key for key in absent if key not in keys), *file.unknown)
    if not pairs:
        raise WeightsError(
            f"{file.path} is a LoRA of another model: none of its {len(unmatched)} keys, such as "
            f"{shorten(unmatched[0], 90)}, has a layer here"
        )
    return Match(pairs, len(keys), unmatched)


def _inject(model: ModelMixin, name: str, pairs: Mapping[str, Pair]) -> None:
    """Through diffusers, which takes the pairs' own ranks and alphas from what a file's header would say."""
    dtype = model.x_embedder.proj.weight.dtype
    state = {}
    for layer, pair in pairs.items():
        state |= {f"{layer}.lora_A.weight": pair.down, f"{layer}.lora_B.weight": pair.up}
    with warnings.catch_warnings():
        # peft warns of a second adapter, and of names that also end others' names, though it is the keys that decide.
        warnings.simplefilter("ignore")
        model.load_lora_adapter(state, prefix=None, adapter_name=name, metadata=lora_config(pairs))
    for module in model.modules():
        if isinstance(module, LoraLayer):
            module.lora_A.to(dtype)
            module.lora_B.to(dtype)


def _targeted(model: nn.Module, targets: Sequence[str]) -> list[str]:
    names = [name for name, layer in model.named_modules() if isinstance(layer, nn.Linear | nn.Conv3d)]
    layers: set[str] = set()
    for target in targets:
        found = [name for name in names if name.startswith(BLOCKS) and name.endswith(f".{target}")]
        if not found and target in names and target not in TARGETS:
            found = [target]
        if not found and target not in TARGETS:
            raise ConfigError(f"no layer is called {shorten(target)}{near_miss(target, (*TARGETS, *names))}")
        layers.update(found)
    if not layers:
        raise ConfigError(f"the model has none of the layers {', '.join(targets)}")
    return sorted(layers)


def _shape(pair: Pair) -> tuple[int, ...]:
    """In and out, and a convolution's kernel."""
    return pair.down.shape[1], len(pair.up), *pair.down.shape[2:]


def _sizes(layer: nn.Module) -> tuple[int, ...]:
    """The same of a model's layer; () for one that takes no LoRA."""
    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features
    if isinstance(layer, nn.Conv3d):
        return layer.in_channels, layer.out_channels, *layer.kernel_size
    return ()


def _words(shape: tuple[int, ...]) -> str:
    return f"{'x'.join(map(str, (shape[0], *shape[2:])))} to {shape[1]}" if shape else "nothing"
