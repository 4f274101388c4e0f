"""The one training loop: accelerate underneath, exact resume, EMA, atomic checkpoints, a CSV of what happened."""

import copy
import signal
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import torch
from accelerate import Accelerator, PartialState
from accelerate.tracking import get_available_trackers
from torch import Tensor, nn
from tqdm import tqdm

from foundation.data.loading import Order, SampleOrder, Samples, Share, Shares, load
from foundation.training.checkpoint import (
    DamagedCheckpoint,
    MovingAverage,
    check_fits,
    checkpoints,
    damage,
    prune,
    read_checkpoint,
    set_aside,
    write_checkpoint,
)
from foundation.training.config import Training
from foundation.training.metrics import MetricsLog, keep_freed_memory
from foundation.training.optimizers import ProgressiveUnfreezing, muon, trapezoid
from foundation.training.sharding import gather, gather_state, load_state, local, part, shards_weights, whole
from shared.console import note
from shared.errors import ConfigError, InputError

Watch = Callable[[int], Mapping[str, float]]
"""Looks at the model as it is after a step: writes samples down and returns scores by name."""


def processes() -> PartialState:
    """The processes of this run (`torchrun` starts several): which one this is, and how they wait for each other."""
    return PartialState(cpu=not torch.cuda.is_available())


def _check_trackers(names: Sequence[str]) -> None:
    installed = [str(tracker) for tracker in get_available_trackers()]
    for name in names:
        if name not in installed:
            raise ConfigError(
                f"training.trackers names {name}, which accelerate does not find; "
                f"installed: {', '.join(installed) or 'none'}"
            )


class Trainer:
    """Trains the `model` inside `objective` on `samples`; its checkpoints hold the weights and their average.

    Killing the process at any moment and starting it again continues from the last checkpoint and reaches the
    same weights: every random number belongs to (seed, epoch, sample), the order of batches to (seed, step). Samples
    that say of themselves that they are others by then are refused.

    Several processes share each batch, so that their number changes the time a run takes and nothing else, as long
    as the loss of a batch is the mean of its samples' losses. Where accelerate's configuration shards the weights
    among them (FSDP 2), those of `objective` stay as they are: what was learned is in the checkpoints.

    Args:
        objective: a module that maps a batch to the loss and values to log, so that it can be wrapped whole.
        samples: the training data.
        config: of the run.
        order: which samples a step has; by default all of them are mixed anew in every epoch.
        watch: called on the main process every `config.watch_every` steps, with the averaged weights in the model.
        unfreezing: which parameters wait for how long.

    Raises:
        ConfigError: a tracker that is not installed, or a way to share out the weights that does not work.
    """

    def __init__(
        self,
        objective: nn.Module,
        samples: Samples,
        config: Training,
        order: Order | None = None,
        watch: Watch | None = None,
        unfreezing: ProgressiveUnfreezing | None = None,
    ) -> None:
        self.config, self.watch, self.unfreezing = config, watch, unfreezing
        self.output = Path(config.output)
        _check_trackers(config.trackers)
        self.accelerator = Accelerator(
            mixed_precision=config.precision,
            cpu=not torch.cuda.is_available(),
            log_with=list(config.trackers) or None,
            project_dir=self.output,
        )
        sharded = shards_weights(self.accelerator)
        if sharded:
            self._check_watch()
            objective = copy.deepcopy(objective)
        self.model = objective.get_submodule("model")
        self.optimizer = muon(
            self.model,
            config.learning_rate,
            config.adamw_learning_rate,
            config.weight_decay,
            config.adamw_layers,
        )
        self.peaks = [group["lr"] for group in self.optimizer.param_groups]
        prepared = self.accelerator.prepare(objective, *([self.optimizer] if sharded else []))
        self.objective = prepared[0] if sharded else prepared
        self.trained = {k: p for k, p in self.model.named_parameters() if p.requires_grad}
        self.ema = MovingAverage(self.trained.values(), decay=config.ema_decay)
        self.shares = Shares(
            samples,
            order or SampleOrder(len(samples), config.seed),
            config.batch_size,
            self.accelerator.process_index,
            self.accelerator.num_processes,
        )
        self.step = 0
        self._stop = False

    def _check_watch(self) -> None:
        if self.watch and self.config.watch_every:
            raise ConfigError(
                f"training.watch_every={self.config.watch_every} cannot look at weights that FSDP shares out among "
                "processes: set it to 0"
            )

    def run(self) -> Path:
        """Train to `config.steps`; the path of the last checkpoint.

        Raises:
            KeyboardInterrupt: after Ctrl-C or SIGTERM, once the checkpoint is written.
            WeightsError: all checkpoints are damaged, or the last whole one is another recipe's.
            InputError: the loss or a gradient is not finite; the checkpoints stay as they are.
            ConfigError: the data are not those that the last checkpoint was trained on.
        """
        if self.accelerator.device.type == "cpu":
            keep_freed_memory()
        self._resume()
        if self.config.trackers:
            self.accelerator.init_trackers("kinora", config=asdict(self.config))
        bar = tqdm(
            total=self.config.steps,
            initial=self.step,
            unit="step",
            disable=None if self.accelerator.is_main_process else True,
            dynamic_ncols=True,
        )
        saved = time.monotonic()
        with self._log("metrics.csv") as log, self._log("scores.csv") as score, self._stoppable():
            shares = self._load()
            while self.step < self.config.steps and not self._stop:
                values = self._train_step(list(islice(shares, self.config.accumulate)))
                bar.update()
                if self.step % self.config.log_every == 0 or self.step == self.config.steps:
                    log(self._mean(values))
                if self.watch and self.config.watch_every and self.step % self.config.watch_every == 0:
                    self._look(self.watch, score)
                due = time.monotonic() - saved > 60 * self.config.checkpoint_minutes
                self._stop, due = self._agree(self._stop, due)
                if due:
                    self._save()
                    saved = time.monotonic()
        bar.close()
        path = self._save()
        for tracker in self.accelerator.trackers:
            tracker.finish()  # `end_training` would part the processes too, which may have more to train
        if self._stop:
            raise KeyboardInterrupt
        return path

    def _load(self) -> Iterator[Share]:
        """What this process computes of each batch from here on."""
        accumulate = self.config.accumulate
        batches = range(self.step * accumulate, self.config.steps * accumulate)
        return load(self.shares, batches, self.config.workers)

    def _train_step(self, shares: list[Share]) -> dict[str, Tensor]:
        config, accelerator = self.config, self.accelerator
        factor = trapezoid(self.step, config.steps, config.warmup, config.decay)
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = peak * factor
        parts: list[dict[str, Tensor]] = []
        for share in shares:
            batch = {key: value.to(accelerator.device) for key, value in share.batch.items()}
            with nullcontext() if share is shares[-1] else accelerator.no_sync(self.objective):
                with accelerator.autocast():
                    loss, values = self.objective(batch)
                accelerator.backward(loss * share.weight / config.accumulate)
            parts.append({**values, "loss": loss.detach()})
            self._check_finite(loss, {**batch, **self.trained, **parts[-1]})
        if self.unfreezing is not None:
            self.unfreezing.hold(self.step, self.trained.items())
        gradients = {f"gradient of {k}": p.grad for k, p in self.trained.items() if p.grad is not None}
        total = nn.utils.get_total_norm([local(one) for one in gradients.values()])
        self._check_finite(total, gradients)
        norm = whole(accelerator.clip_grad_norm_(self.trained.values(), config.gradient_clip))
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.ema.step(self.trained.values())
        self.step += 1
        means = {name: torch.stack([part[name].detach() for part in parts]).mean() for name in parts[0]}
        return {**means, "gradient_norm": norm, "rate": torch.tensor(factor)}

    def _check_finite(self, value: Tensor, tensors: Mapping[str, Tensor]) -> None:
        """Stop, on all processes at once, where a value is not finite, and name the first tensor that is not."""
        [broken] = self._agree(not bool(value.detach().isfinite().all()))
        if not broken:
            return
        own = {name: local(one.detach()) for name, one in tensors.items()}
        bad = next(
            (name for name, one in own.items() if not one.isfinite().all()),
            "the whole of all tensors or processes",
        )
        raise InputError(
            f"step {self.step + 1}: {bad} is not finite; nothing of this step is kept and nothing is exported. "
            f"Lower training.learning_rate and training.adamw_learning_rate (or look at the data), and go on from "
            f"{self._last_kept()}"
        )

    def _last_kept(self) -> str:
        kept = checkpoints(self.output / "checkpoints")
        return f"checkpoint {kept[-1]}" if kept else "the start: there is no checkpoint yet"

    def _look(self, watch: Watch, score: Callable[[Mapping[str, float]], None]) -> None:
        if self.accelerator.is_main_process:
            self.ema.store(self.trained.values())
            self.ema.copy_to(self.trained.values())
            self.model.eval()
            with torch.no_grad():
                score(watch(self.step))
            self.model.train()
            self.ema.restore(self.trained.values())
        self.accelerator.wait_for_everyone()

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
        is_main = self.accelerator.is_main_process
        averaged = dict(zip(self.trained, self.ema.shadow_params, strict=True))
        tensors = {"model": gather(self.trained, is_main), "ema": gather(averaged, is_main)}
        optimizer = gather_state(self.optimizer, is_main)
        state = {
            "training": asdict(self.config),
            "ema_step": self.ema.optimization_step,
            "data": self._data(),
        }
        path = folder / f"step-{self.step:08d}"
        if is_main and not path.exists():
            path = write_checkpoint(folder, self.step, tensors, optimizer, state)
            prune(folder, self.config.keep_checkpoints)
        self.accelerator.wait_for_everyone()
        return path

    def _data(self) -> str | None:
        """What tells these samples from others, where they say so."""
        return getattr(self.shares.samples, "fingerprint", None)

    def _resume(self) -> None:
        """Go on from the last whole checkpoint; damaged ones after it are set aside.

        The processes read the same files, so that they agree; the main one renames what all have looked at.
        """
        damaged: list[DamagedCheckpoint] = []
        found = checkpoints(self.output / "checkpoints")
        while found:
            try:
                self._take(found[-1])
                break
            except DamagedCheckpoint as error:
                damaged.append(error)
                aside = found.pop()
                if not found:
                    raise
                self.accelerator.wait_for_everyone()
                if self.accelerator.is_main_process:
                    note(f"{error.what}; kept as {set_aside(aside)}, going on from {found[-1].name}")

    def _take(self, path: Path) -> None:
        tensors, optimizer, state = read_checkpoint(path)
        check_fits(path, tensors["model"], self.trained)
        before, now = state.get("data"), self._data()
        if before is not None and now is not None and before != now:
            raise ConfigError(
                f"the data changed since checkpoint {path} (fingerprint {before[:16]}, now {now[:16]}): bring "
                "them back to what they were, or choose another training.output"
            )
        with damage(path, "ema.safetensors"):
            check_fits(path, tensors["ema"], self.trained)
        with damage(path, "optimizer.pt"):
            load_state(self.optimizer, optimizer)
        with damage(path, "state.json"):
            ema_step = int(state["ema_step"])
        with torch.no_grad():
            for (name, parameter), shadow in zip(self.trained.items(), self.ema.shadow_params, strict=True):
                parameter.copy_(part(tensors["model"][name], parameter))
                shadow.copy_(part(tensors["ema"][name], shadow))
        self.ema.optimization_step = ema_step
        self.step = state["step"]

    @contextmanager
    def _log(self, name: str) -> Generator[Callable[[Mapping[str, float]], None]]:
        """A function that adds values to a CSV in the output folder and hands them to the trackers.

        Only the main process writes.
        """
        if not self.accelerator.is_main_process:
            yield lambda values: None
            return
        with MetricsLog(self.output / name, self.step) as log:

            def add(values: Mapping[str, float]) -> None:
                log.write({"step": self.step, **values})
                self.accelerator.log(dict(values), step=self.step)

            yield add

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
