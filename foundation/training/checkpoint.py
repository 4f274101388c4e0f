"""Checkpoints: a folder of safetensors and JSON, written whole or not at all."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from shared.errors import ResourceError, WeightsError, first_line

PREFIX = "step-"


def write_checkpoint(
    folder: Path,
    step: int,
    tensors: dict[str, dict[str, Tensor]],
    optimizer: dict[str, Any],
    state: dict[str, Any],
) -> Path:
    """Write `folder/step-00001234`, through a temporary folder that is renamed when everything is on disk.

    Args:
        folder: where checkpoints of the run live.
        step: steps done so far.
        tensors: file stem (`model`, `ema`, ...) -> named tensors.
        optimizer: the optimiser's state (tensors and plain values).
        state: JSON values, for example the run's configuration.

    Raises:
        ResourceError: if the disk is full or cannot be written; earlier checkpoints stay whole.
    """
    final, part = folder / f"{PREFIX}{step:08d}", folder / f"{PREFIX}{step:08d}.part"
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        for stem, named in tensors.items():
            save_file(
                {key: value.detach().contiguous() for key, value in named.items()},
                part / f"{stem}.safetensors",
            )
        torch.save(optimizer, part / "optimizer.pt")
        (part / "state.json").write_text(json.dumps({**state, "step": step}, indent=1))
        for path in part.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        shutil.rmtree(final, ignore_errors=True)
        part.rename(final)
    except (OSError, SafetensorError) as error:  # a full disk is either, depending on the file that it meets
        shutil.rmtree(part, ignore_errors=True)
        reason = getattr(error, "strerror", None) or first_line(error)
        raise ResourceError(f"checkpoint {final} cannot be written: {reason}; free some disk") from error
    return final


def checkpoints(folder: Path) -> list[Path]:
    """Whole checkpoints, oldest first."""
    return sorted(p for p in folder.glob(f"{PREFIX}*") if not p.name.endswith(".part"))


def finished(folder: Path, steps: int) -> Path | None:
    """The last checkpoint, where it is of that many steps or more."""
    last = checkpoints(folder)[-1:]
    return last[0] if last and int(last[0].name.removeprefix(PREFIX)) >= steps else None


def check_fits(path: Path, tensors: Mapping[str, Tensor], trained: Mapping[str, Tensor]) -> None:
    """Compare the names and shapes of a checkpoint's tensors with those of what is trained.

    Raises:
        WeightsError: they differ.
    """
    kept, wanted = ({name: tensor.shape for name, tensor in one.items()} for one in (tensors, trained))
    if kept != wanted:
        raise WeightsError(f"checkpoint {path} belongs to another recipe: choose another training.output")


def prune(folder: Path, keep: int) -> None:
    """Remove all but the newest `keep` checkpoints."""
    for path in checkpoints(folder)[:-keep]:
        shutil.rmtree(path)


def read_checkpoint(path: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any], dict[str, Any]]:
    """Tensors, optimiser state and JSON state of a checkpoint, as `write_checkpoint` took them.

    Raises:
        WeightsError: if a file is missing or damaged.
    """
    try:
        state = json.loads((path / "state.json").read_text())
        tensors = {file.stem: load_file(file) for file in sorted(path.glob("*.safetensors"))}
        optimizer = torch.load(path / "optimizer.pt", weights_only=True, map_location="cpu")
    except Exception as error:
        raise WeightsError(
            f"checkpoint {path} is damaged ({error}): remove it to go on from the one before"
        ) from error
    return tensors, optimizer, state


def load_averaged(model: nn.Module, path: Path) -> None:
    """Put a checkpoint's averaged weights into the model that was trained; what is frozen stays as it is.

    Raises:
        WeightsError: the checkpoint is damaged, or another recipe's.
    """
    averaged = read_checkpoint(path)[0]["ema"]
    trained = {name: one for name, one in model.named_parameters() if one.requires_grad}
    check_fits(path, averaged, trained)
    model.load_state_dict(averaged, strict=False)
