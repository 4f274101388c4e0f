"""What a model must mind because its parameters may be views of a file, or 8-bit."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor

from foundation.models.float8 import Float8Linear
from shared.errors import ConfigError
from shared.media.files import refusal

WEIGHT_FILES = "diffusion_pytorch_model*"


class StoredModel(ModelMixin):
    """A diffusers model that refuses to lose the scales of 8-bit weights, and whose files are replaced whole."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> StoredModel:
        """Refuse a cast before any layer has changed."""
        for layer in self._float8_layers():
            layer.refuse_cast(fn)
        return super()._apply(fn, recurse)

    @functools.wraps(ModelMixin.save_pretrained)
    def save_pretrained(self, save_directory: str | Path, *args: Any, **options: Any) -> None:
        """Save beside and move: the files that are replaced may be those that the parameters are views of.

        Raises:
            ConfigError: weights are 8-bit, whose scales no library reads; or the model has a LoRA.
            InputError: the folder cannot be written.
            ResourceError: the disk is full.
        """
        if self._float8_layers():
            raise ConfigError("8-bit weights are not saved: `kinora models convert` writes them as bfloat16")
        if getattr(self, "peft_config", None):
            raise ConfigError("a model with a LoRA is not saved whole: save_lora writes the LoRA by itself")
        folder = Path(save_directory)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".kinora-", suffix=".part", dir=folder) as room:
                super().save_pretrained(room, *args, **options)
                written = list(Path(room).iterdir())
                for stale in {file.name for file in folder.glob(WEIGHT_FILES)} - {
                    file.name for file in written
                }:
                    (folder / stale).unlink()
                for file in written:
                    file.replace(folder / file.name)
        except OSError as error:
            raise refusal(error, folder) from error

    def _float8_layers(self) -> list[Float8Linear]:
        return [layer for layer in self.modules() if isinstance(layer, Float8Linear)]
