"""What the trainer adds to a model's bare step: `python benchmarks/trainer_overhead.py --steps 20 --batch-size 64`.

Both sides train a copy of the starter's transformer on the same batches with the same optimiser, in bfloat16. The
bare step is forward, backward and optimiser; the trainer's has the order of samples, clipping, the average, the
schedule, the log and the bar too. They take turns step by step, so that a slow spell of the machine meets both, and
what counts is the median of the turns' ratios. The goal is 1.05. Checkpoints come by the clock: one is timed for
itself.
"""

import argparse
import copy
import tempfile
import time
from pathlib import Path
from statistics import median

import torch

from foundation.checkpoints.loading import load_model
from foundation.checkpoints.registry import resolve
from foundation.models.transformer import VideoTransformer
from foundation.training.checkpoint import write_checkpoint
from foundation.training.config import Training
from foundation.training.flow import FlowObjective
from foundation.training.optimizers import muon
from foundation.training.trainer import Trainer

LATENTS = (5, 8, 8)
"""Of 17 frames, 64x64."""

WORDS = 24


class BareStep:
    """Forward, backward and optimiser of an objective, timed."""

    def __init__(self, objective, settings):
        self.objective, self.seconds = objective, []
        self.optimizer = muon(objective.model, settings.learning_rate, settings.adamw_learning_rate)

    def __call__(self, batch):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16):
            loss, _ = self.objective(batch)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.seconds.append(time.perf_counter() - start)


class Turns:
    """Samples of a trainer that take the bare step first, and time the trainer from one batch to the next."""

    def __init__(self, batch, size, bare):
        self.values, self.size, self.bare = batch, size, bare
        self.seconds, self.given = [], None

    def __len__(self):
        return self.size

    def batch(self, ids, generators):
        """The one batch there is."""
        if self.given is not None:
            self.seconds.append(time.perf_counter() - self.given)
        self.bare(self.values)
        self.given = time.perf_counter()
        return self.values


def starter_in_training():
    """The starter's transformer, all of which is to be trained."""
    model = load_model(VideoTransformer, resolve("starter") / "transformer", torch.float32)
    return model.train().requires_grad_(True)


def random_batch(model, size):
    """What the flow objective takes, of random numbers."""
    config, generator = model.config, torch.Generator().manual_seed(0)
    shapes = {
        "latents": (config.in_channels, *LATENTS),
        "noise": (config.in_channels, *LATENTS),
        "embeds": (WORDS, config.text_embed_dim),
        "pooled": (config.pooled_projection_dim,),
    }
    batch = {name: torch.randn(size, *shape, generator=generator) for name, shape in shapes.items()}
    return {**batch, "sigma": torch.rand(size, generator=generator)}


def checkpoint_seconds(folder, bare):
    """How long a checkpoint of the weights, their average and the optimiser's state takes to write."""
    weights, start = bare.objective.model.state_dict(), time.perf_counter()
    write_checkpoint(folder, 0, {"model": weights, "ema": weights}, bare.optimizer.state_dict(), {})
    return time.perf_counter() - start


def main():
    """Print both sides' time of a step and their ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=64)
    chosen = parser.parse_args()

    torch.manual_seed(0)
    model = starter_in_training()
    with tempfile.TemporaryDirectory() as folder:
        settings = Training(folder, steps=chosen.steps + 1, batch_size=chosen.batch_size)
        bare = BareStep(FlowObjective(copy.deepcopy(model)), settings)
        turns = Turns(random_batch(model, chosen.batch_size), chosen.batch_size, bare)
        Trainer(FlowObjective(model), turns, settings).run()
        written = checkpoint_seconds(Path(folder), bare)

    print(f"{chosen.steps} steps of {chosen.batch_size} clips, bfloat16, {torch.get_num_threads()} threads\n")
    # Both sides' first step makes the optimiser's state; the trainer's last has no next one to end it.
    turns_of_both = list(zip(turns.seconds[1:], bare.seconds[1:-1], strict=True))
    ours, theirs = (1e3 * median(side) for side in zip(*turns_of_both, strict=True))
    ratio = median(trained / plain for trained, plain in turns_of_both)
    print("| bare step, ms | trainer's step, ms | ratio |\n|---|---|---|")
    print(f"| {theirs:.1f} | {ours:.1f} | {ratio:.3f} |")
    pace = 60 * settings.checkpoint_minutes
    print(
        f"\na checkpoint takes {written:.2f} s: one every {pace:.0f} s adds {written / pace:.4f} to the ratio"
    )


if __name__ == "__main__":
    main()
