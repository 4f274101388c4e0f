"""Models from single files: the official `.pt` or `.safetensors`, or diffusers' layout in one file.

The model is built without memory of its own and takes its tensors as they are mapped from the file, so that
loading needs no second copy; a cast makes one tensor at a time.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from foundation.checkpoints.configuration import (
    CONFIG_FILE,
    Kind,
    Shapes,
    configuration,
    kind_of,
    read_config,
)
from foundation.checkpoints.gguf import is_quantised, plain, use_gguf
from foundation.checkpoints.layout import Parts, diffusers_names, join, joined_shape, to_diffusers
from foundation.checkpoints.recognition import Found, find
from foundation.checkpoints.tensors import read_scales, read_tensors
from foundation.models.float8 import FLOAT8, use_float8
from shared.config import local_path
from shared.errors import ConfigError, WeightsError, first_line

Model = TypeVar("Model", bound=nn.Module)
Note = Callable[[str], None]


@dataclass(frozen=True)
class Opened(Generic[Model]):
    """A file that fits a model, before anything was loaded.

    Attributes:
        model: the architecture in the file's configuration, without memory (on the meta device).
        found: what the file holds.
        parts: its tensors in diffusers' layout, as views of the file.
        scales: of its 8-bit layers, by their names in the file.
    """

    model: Model
    found: Found
    parts: Parts
    scales: dict[str, Tensor]


def load_single_file(
    architecture: type[Model],
    path: Path | str,
    config: Path | str | Mapping[str, Any] | None = None,
    dtype: torch.dtype | None = None,
    note: Note | None = None,
    **settings: Any,
) -> Model:
    """A model in evaluation mode from one file; see `open_weights`.

    Args:
        architecture: the class.
        path: the weights.
        config: its configuration or where that lies.
        dtype: of the parameters; None: as the file has them. 8-bit weights stay 8-bit.
        note: told what was taken for granted.
        settings: constructor arguments that no shape tells; None leaves them open.
    """
    opened = open_weights(architecture, kind_of(architecture), path, config, note, **settings)
    model = opened.model
    scales = {
        name: scale
        for layer, scale in opened.scales.items()
        for name in (diffusers_names(layer) if opened.found.layout == "official" else (layer,))
    }
    use_float8(model, scales)
    if any(is_quantised(tensor) for tensor in opened.found.tensors.values()):
        state = use_gguf(
            model, {key: join(rows) for key, rows in opened.parts.items()}, dtype or torch.float32
        )
    else:
        state = {key: _cast(join(rows), dtype) for key, rows in opened.parts.items()}
    state |= {f"{layer}.scale": scale for layer, scale in scales.items()}
    model.load_state_dict(state, assign=True)
    return model.eval()


def open_weights(
    architecture: type[Model],
    kind: Kind,
    path: Path | str,
    config: Path | str | Mapping[str, Any] | None = None,
    note: Note | None = None,
    **settings: Any,
) -> Opened[Model]:
    """Find out by its content what a file holds, and hold it against the architecture.

    Args:
        architecture: the class.
        kind: how its configuration is found.
        path: a file of any width, in either layout, with or without an outer `module`, `ema` or `vae`; or a
            folder of safetensors.
        config: its configuration or where that lies; None: a `config.json` beside the file, else the shapes.
        note: told what was taken for granted.
        settings: constructor arguments that no shape tells; None leaves them open.

    Raises:
        WeightsError: the file is missing, damaged, holds something else, or does not fit.
        ConfigError: the configuration contradicts the file.
    """
    path = local_path(path)
    found = find(read_tensors(path), kind.architecture, path)
    scales = read_scales(path, found.tensors)
    parts = native_parts(found, path)
    shapes = Shapes({key: joined_shape(rows) for key, rows in parts.items()})
    known = frozenset(inspect.signature(architecture).parameters)
    try:
        arguments, aloud = configuration(kind, shapes, _given(path, config), known)
    except (WeightsError, ConfigError) as error:
        raise type(error)(f"{path}: {error}") from error
    except (ArithmeticError, IndexError) as error:
        raise WeightsError(f"{path} has tensors of shapes that no {architecture.__name__} has") from error
    chosen = {key: value for key, value in settings.items() if value is not None}
    _check_chosen(path, arguments, chosen)
    if aloud and note is not None:
        note(f"{path.name}: {aloud}")
    model = _build(architecture, path, {**arguments, **chosen})
    check_shapes(model, shapes, path)
    return Opened(model, found, parts, scales)


def native_parts(found: Found, path: Path) -> Parts:
    """The tensors in diffusers' layout, as views of the file.

    Raises:
        WeightsError: a key that the layout does not have, or a tensor that holds no floating numbers.
    """
    for key, tensor in found.tensors.items():
        if not (tensor.is_floating_point() or is_quantised(tensor)) or not tensor.ndim:
            raise WeightsError(f"{path}: {key} holds {tensor.ndim}-dimensional {tensor.dtype}, not weights")
    if found.layout == "diffusers":
        return {key: (tensor,) for key, tensor in found.tensors.items()}
    try:
        parts = to_diffusers(found.tensors)
        return {key: rows if len(rows) == 1 else tuple(map(plain, rows)) for key, rows in parts.items()}
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error


def check_shapes(model: nn.Module, shapes: Mapping[str, tuple[int, ...]], path: Path) -> None:
    """Hold a file's tensors against the model's.

    Raises:
        WeightsError: one is missing, unexpected, or of another shape; the line names it.
    """
    expected = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
    name = type(model).__name__
    for key in sorted(expected.keys() - shapes.keys())[:1]:
        raise WeightsError(f"{path} does not fit {name}: {key} is missing")
    for key in sorted(shapes.keys() - expected.keys())[:1]:
        raise WeightsError(f"{path} does not fit {name}: {key} is unexpected")
    for key, shape in expected.items():
        if shapes[key] != shape:
            raise WeightsError(f"{path} does not fit {name}: {key} has shape {shapes[key]}, not {shape}")


def _given(path: Path, config: Path | str | Mapping[str, Any] | None) -> dict[str, Any] | None:
    if config is not None:
        return read_config(Path(config) if isinstance(config, str) else config)
    beside = (path if path.is_dir() else path.parent) / CONFIG_FILE
    return read_config(beside) if beside.is_file() else None


def _check_chosen(path: Path, arguments: Mapping[str, Any], chosen: Mapping[str, Any]) -> None:
    for key, value in chosen.items():
        said = arguments.get(key)
        if said not in (None, value):
            raise ConfigError(f"{key} {value!r} was asked for; {path} is {said!r}")
        if value == "latent_concat" and said is None:
            wanted = 2 * arguments["out_channels"] + 1
            raise ConfigError(f"{value} wants {wanted} channels; {path} takes {arguments['in_channels']}")


def _build(architecture: type[Model], path: Path, arguments: Mapping[str, Any]) -> Model:
    try:
        with torch.device("meta"):
            return architecture(**arguments)
    except (ConfigError, TypeError, ValueError, ArithmeticError, RuntimeError) as error:
        raise WeightsError(
            f"{path}: no {architecture.__name__} can be built for it: {first_line(error)}"
        ) from error


def _cast(tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    return tensor if dtype is None or tensor.dtype in FLOAT8 else tensor.to(dtype)
