"""A folder of video-to-audio weights: which parts it has, what it says beside them, and how they are loaded.

`transformer`, `image_encoder`, `image_processor`, `sync_encoder`, `text_encoder`, `tokenizer`, the codec's parts, and
`kinora.json` with the layout and the defaults. In a model's folder it is called `v2a`.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from apps.v2a.model.layout import AudioLayout
from foundation.checkpoints.defaults import DEFAULTS_FILE
from foundation.checkpoints.registry import WEIGHT_SUFFIXES, locate, resolve
from shared.config import local_path
from shared.errors import ConfigError, WeightsError
from shared.media.files import replacing

FOLDER = "v2a"
"""The app's folder in a model's."""

ENCODERS = ("image_encoder", "sync_encoder", "text_encoder")
"""Parts with weights that features depend on, beside the codec's."""


@dataclass(frozen=True)
class SoundDefaults:
    """What a folder says when the user says nothing.

    Attributes:
        layout: lengths and rates.
        steps: of the sampler.
        shift: of the schedule.
        cfg: classifier-free guidance.
    """

    layout: AudioLayout = field(default_factory=AudioLayout)
    steps: int = 25
    shift: float = 1.0
    cfg: float = 3.0


def sound_folder(name: str) -> Path:
    """Where a recipe finds parts of video-to-audio: in a folder of them, or in the folder `v2a` of a model.

    Raises:
        WeightsError: nothing of that name is here.
    """
    folder = locate(name)
    return folder / FOLDER if (folder / FOLDER).is_dir() else folder


def bring_frozen_parts(base: Path, folder: Path) -> None:
    """Put the parts that a transformer was trained on beside it, so that its folder is a whole model.

    Files are linked where the disk allows it, and copied elsewhere.
    """
    if base.resolve() == folder.resolve():
        return
    for part in sorted(base.iterdir()):
        if part.is_dir() and part.name != "transformer" and not (folder / part.name).exists():
            shutil.copytree(part, folder / part.name, copy_function=_link)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def find_folder(name: str) -> Path:
    """The folder of a model's sound weights.

    Args:
        name: a registered model or its folder, which holds a folder `v2a`; or such a folder itself.

    Raises:
        WeightsError: there is none.
    """
    own = local_path(name)
    if (own / "transformer").is_dir() and (own / "sync_encoder").is_dir():
        return own
    folder = (own if own.is_dir() else resolve(name)) / FOLDER
    if not (folder / "transformer").is_dir():
        raise WeightsError(
            f"{name} has no video-to-audio weights: {folder / 'transformer'} is missing; kinora train v2a makes them"
        )
    return folder


def weight_files(folder: Path) -> dict[str, Path]:
    """Every weights file of a folder, by its path within it."""
    files = sorted(file for file in folder.rglob("*") if file.suffix in WEIGHT_SUFFIXES)
    return {file.relative_to(folder).as_posix(): file for file in files}


def read_defaults(folder: Path) -> SoundDefaults:
    """What `kinora.json` says; its own values where there is no such file.

    Raises:
        WeightsError: it is damaged.
    """
    path = folder / DEFAULTS_FILE
    if not path.exists():
        return SoundDefaults()
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return SoundDefaults(layout=AudioLayout(**values.pop("layout")), **values)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, ConfigError) as error:
        raise WeightsError(f"{path} is damaged: {error}") from error


def write_defaults(folder: Path, defaults: SoundDefaults) -> None:
    """Write `kinora.json`."""
    with replacing(folder / DEFAULTS_FILE) as temporary:
        temporary.write_text(json.dumps(asdict(defaults), indent=2) + "\n")


def load_image_processor(folder: Path) -> Any:
    """CLIP's preparation of pictures.

    Raises:
        WeightsError: it is missing or damaged.
    """
    from transformers import CLIPImageProcessor

    try:
        return CLIPImageProcessor.from_pretrained(folder / "image_processor", local_files_only=True)
    except (OSError, ValueError, TypeError) as error:
        raise WeightsError(f"{folder / 'image_processor'} cannot be read: {error}") from error
