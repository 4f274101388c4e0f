"""What keeping freed memory spares a training step: `python benchmarks/freed_memory.py --steps 10 --batch-size 64`.

The same bare step (forward, backward, optimiser; see `trainer_overhead.py`) with glibc's own habits, and after
`foundation.training.metrics.keep_freed_memory`, which the trainer calls on a CPU.
"""

import argparse
from statistics import median

import torch
from trainer_overhead import BareStep, random_batch, starter_in_training

from foundation.training.config import Training
from foundation.training.flow import FlowObjective
from foundation.training.metrics import keep_freed_memory


def milliseconds(step, batch, count):
    """Median of `count` steps, after three that are not counted."""
    for _ in range(3 + count):
        step(batch)
    return 1e3 * median(step.seconds[-count:])


def main():
    """Print a step's time before and after, and their ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=64)
    chosen = parser.parse_args()

    torch.manual_seed(0)
    model = starter_in_training()
    step, batch = BareStep(FlowObjective(model), Training("")), random_batch(model, chosen.batch_size)
    before = milliseconds(step, batch, chosen.steps)
    keep_freed_memory()
    after = milliseconds(step, batch, chosen.steps)

    print(f"{chosen.steps} steps of {chosen.batch_size} clips, bfloat16, {torch.get_num_threads()} threads\n")
    print("| given back, ms | kept, ms | ratio |\n|---|---|---|")
    print(f"| {before:.1f} | {after:.1f} | {after / before:.3f} |")


if __name__ == "__main__":
    main()
