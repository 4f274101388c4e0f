"""Models from folders: safetensors only, every key in its place."""

from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers.models.modeling_utils import ModelMixin

from shared.errors import WeightsError

Model = TypeVar("Model", bound=ModelMixin)


def load_model(
    architecture: type[Model], folder: Path, dtype: torch.dtype, quantisation: Any = None
) -> Model:
    """A frozen model in evaluation mode.

    Args:
        architecture: the class.
        folder: its `config.json` and safetensors files.
        dtype: of its parameters.
        quantisation: a configuration of diffusers' that stores its linear layers in fewer bits, or None.

    Raises:
        WeightsError: if files are missing or damaged, or keys or shapes do not fit the architecture.
    """
    if not (folder / "config.json").is_file():
        raise WeightsError(
            f"{folder / 'config.json'} is missing: a model folder in diffusers' layout is needed"
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
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise WeightsError(f"{folder} cannot be loaded as {architecture.__name__}: {reason}") from error
    wrong = sorted(info["missing_keys"]) + sorted(info["unexpected_keys"])
    if wrong:
        raise WeightsError(
            f"{folder} does not fit {architecture.__name__}: {len(wrong)} keys, such as {wrong[0]}"
        )
    return model.eval().requires_grad_(False)
