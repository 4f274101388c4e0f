"""Where a recipe's model goes: a model that is there already is never lost. Nothing here imports torch."""

from __future__ import annotations

import filecmp
import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from foundation.checkpoints.defaults import TRAINING_FILE
from foundation.training.config import Export
from shared.console import note
from shared.errors import ConfigError
from shared.media.files import refusal


def prepare_export(config: Export, recipe: str) -> None:
    """Choose the folder of a run's model where the user names none, and protect what is in it.

    With `overwrite` the present parts are copied beside themselves before training starts. What the same run wrote
    before it was interrupted may be written again.

    Args:
        config: of the recipe; `export` is set in place.
        recipe: its name.

    Raises:
        ConfigError: a model is there and `overwrite` is off.
        InputError: the copy cannot be written.
    """
    if config.export is None:
        config.export = str(Path(_output(config)) / "model")
    targets = [target for target in config.exported_folders() if _has_files(target)]
    if any(_is_own(target, recipe, config) for target in targets):
        return
    for target in targets:
        if not config.overwrite:
            raise ConfigError(
                f"export: {target} holds a model already: choose another export, or set overwrite=true, which keeps "
                f"the old one as {_free_name(target).name}"
            )
        if os.environ.get("RANK", "0") == "0":
            _keep_beside(target)


def _output(config: Any) -> str:
    return config.training.output if hasattr(config, "training") else config.output


def _has_files(folder: Path) -> bool:
    try:
        return folder.is_file() or (folder.is_dir() and any(folder.iterdir()))
    except OSError as error:
        raise refusal(error, folder, "read") from error


def _is_own(target: Path, recipe: str, config: Export) -> bool:
    """Whether this very run wrote what is there; it may have been shorter then."""
    if not any(Path(_output(config)).glob("**/checkpoints")):
        return False
    settings = json.loads(json.dumps({"recipe": recipe, **asdict(config)}))
    for file in (target / TRAINING_FILE, target / "transformer" / TRAINING_FILE):
        try:
            if _without_steps(json.loads(file.read_text(encoding="utf-8"))[-1]) == _without_steps(settings):
                return True
        except (OSError, ValueError, LookupError, TypeError):
            continue
    return False


def _without_steps(settings: Any) -> Any:
    """Settings without the lengths of training."""
    if not isinstance(settings, dict):
        return settings
    return {key: _without_steps(value) for key, value in settings.items() if key != "steps"}


def _keep_beside(target: Path) -> None:
    copies = sorted(target.parent.glob(f"{target.name}.before*"))
    if copies and _is_same(filecmp.dircmp(target, copies[-1])):
        return
    aside = _free_name(target)
    try:
        shutil.copytree(target, aside)
    except (OSError, shutil.Error) as error:
        shutil.rmtree(aside, ignore_errors=True)
        cause = error if isinstance(error, OSError) and error.errno else OSError(str(error))
        raise refusal(cause, aside) from error
    note(f"kept: {target} as {aside}")


def _is_same(found: filecmp.dircmp) -> bool:
    differs = found.left_only or found.right_only or found.diff_files or found.funny_files
    return not differs and all(_is_same(inner) for inner in found.subdirs.values())


def _free_name(target: Path) -> Path:
    number = 1
    while True:
        aside = target.with_name(f"{target.name}.before-{number}")
        if not aside.exists():
            return aside
        number += 1
