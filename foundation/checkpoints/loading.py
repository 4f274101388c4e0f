"""Models from folders and files: nothing is unpickled but tensors, every key in its place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from diffusers.models.modeling_utils import ModelMixin
from safetensors import SafetensorError

from foundation.checkpoints.configuration import CONFIG_FILE, kind_of, read_config
from foundation.checkpoints.recognition import WORDS
from foundation.checkpoints.registry import WEIGHT_SUFFIXES
from foundation.checkpoints.single_file import Note
from shared.errors import InputError, WeightsError, first_line

if TYPE_CHECKING:
    from foundation.models.transformer.model import VideoTransformer
    from foundation.models.vae.model import CausalVideoVAE

Model = TypeVar("Model", "VideoTransformer", "CausalVideoVAE")
Folder = TypeVar("Folder", bound=ModelMixin)


def load_model(
    architecture: type[Model],
    source: Path,
    dtype: torch.dtype,
    quantisation: Any = None,
    note: Note | None = None,
) -> Model:
    """A frozen model in evaluation mode.

    Args:
        architecture: the class.
        source: a folder with `config.json` and safetensors files, or one file in either layout (also as the
            only weights of a folder, as the official VAE's `pytorch_model.pt`).
        dtype: of its parameters.
        quantisation: a configuration of diffusers' that stores its linear layers in fewer bits, or None.
        note: told what was taken for granted about a file.

    Raises:
        WeightsError: if files are missing or damaged, or keys or shapes do not fit the architecture.
        ConfigError: if a configuration contradicts its file.
        InputError: if a single file shall be quantised.
    """
    file = single_file(source)
    if file is not None and quantisation is not None:
        raise InputError(
            f"{file} is a single file, and those are not quantised while loading: `kinora models convert` "
            "makes a folder of it"
        )
    if file is None:
        _check_folder(architecture, source)
    if quantisation is None:
        model = architecture.from_single_file(file or source, dtype=dtype, note=note)
    else:
        model = load_folder(architecture, source, dtype, quantisation)
    return model.requires_grad_(False)


def single_file(source: Path) -> Path | None:
    """The one file to load; None for a folder in diffusers' layout."""
    if not source.is_dir():
        return source
    if any(source.glob("*.safetensors")):
        return None
    pickles = [file for file in sorted(source.iterdir()) if file.suffix in WEIGHT_SUFFIXES]
    return pickles[0] if len(pickles) == 1 else None


def _check_folder(architecture: type[Model], folder: Path) -> None:
    if not (folder / CONFIG_FILE).is_file():
        raise WeightsError(
            f"{folder / CONFIG_FILE} is missing: a model folder in diffusers' layout is needed"
        )
    name = read_config(folder).get("_class_name")
    if name is not None and name not in kind_of(architecture).classes:
        raise WeightsError(
            f"{folder} holds a {name}; a {WORDS[kind_of(architecture).architecture]} is needed"
        )


def load_folder(
    architecture: type[Folder], folder: Path, dtype: torch.dtype, quantisation: Any = None
) -> Folder:
    """A frozen model of any diffusers class, in evaluation mode, from a folder of its own.

    Args:
        architecture: the class.
        folder: with `config.json` and safetensors files.
        dtype: of its parameters.
        quantisation: a configuration of diffusers' that stores its linear layers in fewer bits, or None.

    Raises:
        WeightsError: if files are missing or damaged, or keys or shapes do not fit the architecture.
    """
    if not (folder / CONFIG_FILE).is_file():
        raise WeightsError(
            f"{folder / CONFIG_FILE} is missing: a model folder in diffusers' layout is needed"
        )
    try:
        model, info = architecture.from_pretrained(
            folder,
            torch_dtype=dtype,
            quantization_config=quantisation,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise WeightsError(
            f"{folder} cannot be loaded as {architecture.__name__}: {first_line(error)}"
        ) from error
    wrong = sorted(info["missing_keys"]) + sorted(info["unexpected_keys"])
    if wrong:
        raise WeightsError(
            f"{folder} does not fit {architecture.__name__}: {len(wrong)} keys, such as {wrong[0]}"
        )
    return model.eval().requires_grad_(False)
