"""The curriculum: pictures, then short clips, long ones, larger ones (paper section 4.5)."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from torch import nn

from foundation.data.loading import Order, Samples
from foundation.training.checkpoint import finished, load_averaged
from foundation.training.config import Stage, Training
from foundation.training.optimizers import ProgressiveUnfreezing
from foundation.training.trainer import Trainer, Watch, processes
from shared.console import note


class OrderedSamples(Samples, Protocol):
    """Samples that come in batches of one shape."""

    def order(self, seed: int) -> Order: ...


def run_curriculum(
    stages: Mapping[str, Stage],
    training: Training,
    objective: Callable[[], nn.Module],
    samples: Callable[[Stage], OrderedSamples],
    watch: Callable[[Stage, Path], Watch] | None = None,
    unfreezing: ProgressiveUnfreezing | None = None,
) -> Path:
    """Train the stages in their order; each begins with the averaged weights of the one before.

    Every stage is a run of its own, with its checkpoints in a folder of its own: killed, it goes on where it was.
    The data of a stage that is finished are not asked for again.

    Args:
        stages: by name.
        training: of every stage, but for steps, size of a batch, and output.
        objective: makes the module to train around the one model.
        samples: the data of a stage.
        watch: what looks at the model in a stage, and writes into the stage's folder.
        unfreezing: which parameters wait for how long, in every stage.

    Returns:
        The last checkpoint.

    Raises:
        WeightsError: a checkpoint is damaged, or another recipe's.
    """
    last = Path(training.output)
    for name, stage in stages.items():
        if not stage.steps:
            continue
        settings = replace(
            training,
            steps=stage.steps,
            batch_size=stage.batch_size,
            output=str(Path(training.output) / name),
        )
        module = objective()
        done = finished(Path(settings.output) / "checkpoints", stage.steps)
        if done is None:
            data = samples(stage)
            look = watch(stage, Path(settings.output)) if watch and training.watch_every else None
            last = Trainer(module, data, settings, data.order(training.seed), look, unfreezing).run()
        else:
            last = done
            if processes().is_main_process:
                note(f"stage {name} is finished and is not trained again: {last}")
        load_averaged(module.get_submodule("model"), last)
    return last
