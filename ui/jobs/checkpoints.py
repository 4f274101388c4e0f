"""The latents of a job between its steps, on disk, so that it goes on where it was broken off."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class Checkpoints:
    """One file per run of the sampler, in the order in which a job makes them.

    A file is of use only for the very run that wrote it: it carries a hash of that run's noise and schedule.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, number: int, noise: Tensor, sigmas: Tensor) -> tuple[Tensor, int] | None:
        """Latents and the index of the step to take next; None where no run like this one left any."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self._path(number), framework="pt") as file:
                about = file.metadata() or {}
                if about.get("run") != fingerprint(noise, sigmas):
                    return None
                return file.get_tensor("latents").to(noise.device), int(about["step"])
        except (OSError, SafetensorError, KeyError, ValueError):
            return None

    def save(self, number: int, run: str, latents: Tensor, step: int) -> None:
        """Keep the latents before step `step` of the run with this fingerprint; a full disk keeps none."""
        from safetensors.torch import save_file

        path = self._path(number)
        temporary = path.with_suffix(".part")
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            save_file({"latents": latents.contiguous().cpu()}, temporary, {"run": run, "step": str(step)})
            temporary.replace(path)

    def _path(self, number: int) -> Path:
        return self.folder / f"run-{number}.safetensors"


def fingerprint(noise: Tensor, sigmas: Tensor) -> str:
    """The sha256 of what a run of the sampler begins with."""
    digest = hashlib.sha256()
    for tensor in (noise, sigmas):
        digest.update(f"{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
