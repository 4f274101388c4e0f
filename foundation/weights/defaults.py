"""What a model folder says beside the weights when the user says nothing; read without torch."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Literal

from foundation.request import ModelDefaults
from shared.config import Size
from shared.errors import WeightsError

TRAINING_FILE = "training.json"
"""Beside a part's weights: the settings of the recipe's runs that made them, in order."""

DEFAULTS_FILE = "kinora.json"
"""What a model folder says about sizes, rates, steps and guidance; without it the 13B weights' values hold."""

HUNYUANVIDEO = ModelDefaults(
    fps=24.0, size=Size(1280, 720), frames=129, steps=50, shift=7.0, cfg=1.0, guidance=6.0
)


def read_defaults(folder: Path, shift: float | Literal["auto"] = HUNYUANVIDEO.shift) -> ModelDefaults:
    """A folder's `kinora.json`, or the 13B weights' values.

    Args:
        folder: of the model.
        shift: of the scheduler's configuration, where shifts belong.

    Raises:
        WeightsError: the file is damaged.
    """
    path = folder / DEFAULTS_FILE
    if not path.exists():
        return dataclasses.replace(HUNYUANVIDEO, shift=shift)
    try:
        values = json.loads(path.read_text())
        size = Size(*values.pop("size"))
        guidance = values.pop("guidance", None)
        return ModelDefaults(**values, size=size, shift=shift, guidance=guidance)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(f"{path} is damaged: {error}") from error
