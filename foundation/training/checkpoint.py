"""Checkpoints: a folder of safetensors and JSON, written whole or not at all; the moving average in them."""

import itertools
import json
import os
import re
import shutil
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from diffusers.training_utils import EMAModel
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from shared.console import note
from shared.errors import ResourceError, WeightsError, first_line


class MovingAverage(EMAModel):
    """diffusers' moving average with an update in place: its own takes a copy of all weights in every step."""

    @torch.no_grad()
    def step(self, parameters: Iterable[nn.Parameter]) -> None:
        """Move towards the weights as they are now; early on the average follows them faster."""
        self.optimization_step += 1
        self.cur_decay_value = self.get_decay(self.optimization_step)
        torch._foreach_lerp_(self.shadow_params, list(parameters), 1 - self.cur_decay_value)


PREFIX = "step-"


class DamagedCheckpoint(WeightsError):
    """A checkpoint with a file that is missing, broken or not finite; the one before may be whole.

    Attributes:
        what: the path, the file and what is wrong with it, without advice.
    """

    def __init__(self, path: Path, file: str, reason: str) -> None:
        self.what = f"checkpoint {path} is damaged ({file}: {reason})"
        super().__init__(f"{self.what}: remove it to go on from the one before")


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
    return sorted(
        path
        for path in folder.glob(f"{PREFIX}*")
        if re.fullmatch(rf"{PREFIX}[0-9]{{8}}", path.name) and path.is_dir()
    )


def set_aside(path: Path) -> Path:
    """Rename a damaged file or folder so that it is kept and no longer used: `NAME.damaged`, numbered if need be.

    Raises:
        ResourceError: it cannot be renamed.
    """
    names = itertools.chain(
        [f"{path.name}.damaged"], (f"{path.name}.damaged-{n}" for n in itertools.count(2))
    )
    aside = next(new for new in map(path.with_name, names) if not new.exists())
    try:
        return path.rename(aside)
    except OSError as error:
        raise ResourceError(f"{path} is damaged and cannot be renamed: {error.strerror or error}") from error


def finished(folder: Path, steps: int) -> Path | None:
    """The last checkpoint, where it is whole and of that many steps or more.

    A damaged one is set aside where the run can go on from the one before.

    Raises:
        DamagedCheckpoint: there is none before.
    """
    *before, last = [None, *checkpoints(folder)]
    if last is None or int(last.name.removeprefix(PREFIX)) < steps:
        return None
    try:
        read_averaged(last)
    except DamagedCheckpoint as error:
        if len(before) < 2:
            raise
        note(f"{error.what}; kept as {set_aside(last).name}")
        return None
    return last


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
        DamagedCheckpoint: a file is missing or damaged, or a tensor is not finite.
    """
    with damage(path, "state.json") as file:
        state = json.loads(file.read_text())
        if not isinstance(state, dict) or type(state.get("step")) is not int:
            raise ValueError("it does not say its step")
    tensors = {}
    for stem in sorted({"model", *(file.stem for file in path.glob("*.safetensors"))}):
        with damage(path, f"{stem}.safetensors") as file:
            tensors[stem] = load_file(file)
            bad = next((name for name, one in tensors[stem].items() if not one.isfinite().all()), None)
            if bad is not None:
                raise ValueError(f"{bad} holds values that are not finite")
    with damage(path, "optimizer.pt") as file:
        optimizer = torch.load(file, weights_only=True, map_location="cpu")
        if not isinstance(optimizer, dict):
            raise ValueError("it holds no state of an optimiser")
    return tensors, optimizer, state


@contextmanager
def damage(path: Path, name: str) -> Generator[Path]:
    """The path of a checkpoint's file, which whatever reading it or its values raises is blamed on.

    Raises:
        DamagedCheckpoint: of any error.
    """
    try:
        yield path / name
    except Exception as error:
        reason = getattr(error, "strerror", None) or first_line(error)
        raise DamagedCheckpoint(path, name, reason) from error


def read_averaged(path: Path) -> dict[str, Tensor]:
    """The averaged weights of a checkpoint.

    Raises:
        DamagedCheckpoint: as `read_checkpoint`, or it holds none.
    """
    tensors = read_checkpoint(path)[0]
    if "ema" not in tensors:
        raise DamagedCheckpoint(path, "ema.safetensors", "missing")
    return tensors["ema"]


def load_averaged(model: nn.Module, path: Path) -> None:
    """Put a checkpoint's averaged weights into the model that was trained; what is frozen stays as it is.

    Raises:
        WeightsError: the checkpoint is damaged, or another recipe's.
    """
    averaged = read_averaged(path)
    trained = {name: one for name, one in model.named_parameters() if one.requires_grad}
    check_fits(path, averaged, trained)
    model.load_state_dict(averaged, strict=False)
