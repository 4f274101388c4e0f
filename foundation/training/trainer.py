"""The one training loop: accelerate underneath, exact resume, EMA, atomic checkpoints, a CSV of what happened."""

import csv
import signal
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator, PartialState
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from tqdm import tqdm

from foundation.training.checkpoint import checkpoints, prune, read_checkpoint, write_checkpoint
from foundation.training.config import Training
from foundation.training.optimizers import muon, trapezoid
from foundation.training.order import SampleOrder
from shared.errors import ConfigError, WeightsError

Batch = dict[str, Tensor]


class Samples(Protocol):
    """Training data: `batch` draws all randomness of a sample from the generator given with it."""

    def __len__(self) -> int: ...

    def batch(self, ids: Sequence[int], generators: Sequence[np.random.Generator]) -> Batch: ...


def processes() -> PartialState:
    """The processes of this run (`torchrun` starts several): which one this is, and how they wait for each other."""
    return PartialState(cpu=not torch.cuda.is_available())


class Trainer:
    """Trains the `model` inside `objective` on `samples`; its checkpoints hold the weights and their average.

    Killing the process at any moment and starting it again continues from the last checkpoint and reaches the
    same weights: every random number belongs to (seed, epoch, sample), the order of batches to (seed, step).

    Several processes share each batch, so that their number changes the time a run takes and nothing else.

    An objective is a module that maps a batch to the loss and values to log, so that it can be wrapped whole.

    Raises:
        ConfigError: a batch that cannot be shared evenly.
    """

    def __init__(self, objective: nn.Module, samples: Samples, config: Training) -> None:
        self.config, self.samples = config, samples
        self.accelerator = Accelerator(
            mixed_precision=config.precision,
            gradient_accumulation_steps=config.accumulate,
            cpu=not torch.cuda.is_available(),
        )
        count = self.accelerator.num_processes
        if config.batch_size % count:
            raise ConfigError(
                f"training.batch_size is {config.batch_size}; {count} processes share it: need a multiple"
            )
        self.model = objective.get_submodule("model")
        self.optimizer = muon(
            self.model,
            config.learning_rate,
            config.adamw_learning_rate,
            config.weight_decay,
            config.adamw_layers,
        )
        self.peaks = [group["lr"] for group in self.optimizer.param_groups]
        self.trained = {k: p for k, p in self.model.named_parameters() if p.requires_grad}
        self.objective = self.accelerator.prepare(objective)
        self.ema = EMAModel(self.trained.values(), decay=config.ema_decay, foreach=True)
        self.order = SampleOrder(len(samples), config.seed)
        self.output = Path(config.output)
        self.step = 0
        self._stop = False

    def run(self) -> Path:
        """Train to `config.steps`; the path of the last checkpoint.

        Raises:
            KeyboardInterrupt: after Ctrl-C or SIGTERM, once the checkpoint is written.
        """
        self._resume()
        bar = tqdm(
            total=self.config.steps,
            initial=self.step,
            unit="step",
            disable=None if self.accelerator.is_main_process else True,
            dynamic_ncols=True,
        )
        saved = time.monotonic()
        with self._log() as log, self._stoppable():
            while self.step < self.config.steps and not self._stop:
                values = self._train_step()
                bar.update()
                if self.step % self.config.log_every == 0 or self.step == self.config.steps:
                    log({"step": self.step, **self._mean(values)})
                due = time.monotonic() - saved > 60 * self.config.checkpoint_minutes
                self._stop, due = self._agree(self._stop, due)
                if due:
                    self._save()
                    saved = time.monotonic()
        bar.close()
        path = self._save()
        if self._stop:
            raise KeyboardInterrupt
        return path

    def _train_step(self) -> dict[str, Tensor]:
        config, accelerator = self.config, self.accelerator
        factor = trapezoid(self.step, config.steps, config.warmup, config.decay)
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = peak * factor
        members = self.order.batch(self.step, config.batch_size * config.accumulate)
        members = members[accelerator.process_index :: accelerator.num_processes]
        share = config.batch_size // accelerator.num_processes
        values: dict[str, Tensor] = {}
        for start in range(0, len(members), share):
            part = members[start : start + share]
            batch = self.samples.batch(
                [sample for _, sample in part], [self.order.generator(*member) for member in part]
            )
            batch = {key: value.to(accelerator.device) for key, value in batch.items()}
            with accelerator.autocast():
                loss, values = self.objective(batch)
            accelerator.backward(loss / config.accumulate)
        norm = accelerator.clip_grad_norm_(self.trained.values(), config.gradient_clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.ema.step(self.trained.values())
        self.step += 1
        return {**values, "loss": loss.detach(), "gradient_norm": norm, "rate": torch.tensor(factor)}

    def _agree(self, *flags: bool) -> list[bool]:
        """Each flag raised if any process raises it: all stop, and all wait for the checkpoint, at one step."""
        if self.accelerator.num_processes == 1:
            return list(flags)
        raised = torch.tensor(flags, dtype=torch.float32, device=self.accelerator.device)
        return [bool(flag) for flag in self.accelerator.reduce(raised, "sum")]

    def _mean(self, values: dict[str, Tensor]) -> dict[str, float]:
        """Values averaged over the processes."""
        own = torch.stack([value.detach().float().to(self.accelerator.device) for value in values.values()])
        return dict(zip(values, self.accelerator.reduce(own, "mean").tolist(), strict=True))

    def _save(self) -> Path:
        folder = self.output / "checkpoints"
        tensors = {
            "model": {k: v for k, v in self.model.state_dict().items() if k in self.trained},
            "ema": dict(zip(self.trained, self.ema.shadow_params, strict=True)),
        }
        state = {"training": asdict(self.config), "ema_step": self.ema.optimization_step}
        path = folder / f"step-{self.step:08d}"
        if self.accelerator.is_main_process and not path.exists():
            path = write_checkpoint(folder, self.step, tensors, self.optimizer.state_dict(), state)
            prune(folder, self.config.keep_checkpoints)
        self.accelerator.wait_for_everyone()
        return path

    def _resume(self) -> None:
        found = checkpoints(self.output / "checkpoints")
        if not found:
            return
        tensors, optimizer, state = read_checkpoint(found[-1])
        if set(tensors["model"]) != set(self.trained):
            raise WeightsError(
                f"checkpoint {found[-1]} belongs to another recipe: choose another training.output"
            )
        self.model.load_state_dict(tensors["model"], strict=False)
        self.optimizer.load_state_dict(optimizer)
        for shadow, value in zip(
            self.ema.shadow_params, (tensors["ema"][k] for k in self.trained), strict=True
        ):
            shadow.copy_(value)
        self.ema.optimization_step = state["ema_step"]
        self.step = state["step"]

    @contextmanager
    def _log(self) -> Generator[Any]:
        """A function that appends a row to `metrics.csv`; rows after the resumed step are dropped first.

        Only the main process writes.
        """
        if not self.accelerator.is_main_process:
            yield lambda row: None
            return
        path = self.output / "metrics.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = (
            [row for row in csv.DictReader(path.open()) if int(row["step"]) <= self.step]
            if path.exists()
            else []
        )
        with path.open("w", newline="") as file:
            writer: csv.DictWriter | None = None

            def write(row: dict[str, Any]) -> None:
                nonlocal writer
                if writer is None:
                    writer = csv.DictWriter(file, fieldnames=list(row))
                    writer.writeheader()
                writer.writerow(row)
                file.flush()

            for row in rows:
                write(row)
            yield write

    @contextmanager
    def _stoppable(self) -> Generator[None]:
        """Ctrl-C and SIGTERM end the loop after the step at hand."""

        def stop(*_: object) -> None:
            self._stop = True

        old = {name: signal.signal(name, stop) for name in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for name, handler in old.items():
                signal.signal(name, handler)
