"""Which noise levels few steps should take: `python benchmarks/schedules.py --steps 10 --prompts 100`.

The flow shift against the linear-quadratic schedule (paper section 4.5), by what the judges say of the clips.
"""

import argparse
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from foundation.evaluation.t2v import Sampling, generate, held_out_prompts, judge
from foundation.flow.schedule import auto_shift, linear_quadratic_sigmas
from foundation.t2v.pipeline import TextToVideoPipeline

WORLDS = ("scenes", "puppets")


@dataclass(frozen=True)
class LinearQuadratic(Sampling):
    """Small linear steps at first, then steps that grow with their square; no shift."""

    def sigmas(self) -> Tensor:
        """Noise levels (steps + 1,), from 1 to 0."""
        return linear_quadratic_sigmas(self.steps)


def main():
    """Print the share of clips that show all that was asked for, schedule by schedule."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="starter")
    parser.add_argument("--steps", type=int, nargs="+", default=[10])
    parser.add_argument("--shifts", type=float, nargs="+", default=[1.0, 3.0, 7.0])
    parser.add_argument("--prompts", type=int, default=100)
    chosen = parser.parse_args()

    pipe = TextToVideoPipeline.from_pretrained(chosen.model)
    prompts = {world: held_out_prompts(world, chosen.prompts) for world in WORLDS}
    print(f"| steps | schedule | {' | '.join(WORLDS)} |")
    print(f"|---|---|{'---:|' * len(WORLDS)}")
    for steps in chosen.steps:
        schedules = {
            f"shift {shift:g}": Sampling(steps, pipe.defaults.cfg, shift)
            for shift in (*chosen.shifts, auto_shift(steps))
        }
        schedules["linear-quadratic"] = LinearQuadratic(steps, pipe.defaults.cfg, 1.0)
        for name, sampling in schedules.items():
            shares = [_share(pipe, asked, sampling) for asked in prompts.values()]
            print(
                f"| {steps} | {name} | {' | '.join(f'{100 * share:.1f}%' for share in shares)} |", flush=True
            )


def _share(pipe, prompts, sampling):
    clips = generate(pipe, [prompt.text for prompt in prompts], sampling)
    return np.mean(
        [judge(frames, prompt.facts)["all"] for prompt, frames in zip(prompts, clips, strict=True)]
    )


if __name__ == "__main__":
    main()
