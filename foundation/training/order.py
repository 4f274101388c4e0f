"""Which sample comes when, and with which random numbers: independent of ranks, workers and restarts."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np


@dataclass(frozen=True)
class SampleOrder:
    """A fresh permutation of `length` samples in every epoch, drawn from the seed alone."""

    length: int
    seed: int

    def batch(self, step: int, size: int) -> list[tuple[int, int]]:
        """(epoch, sample id) of each member of the global batch of a step."""
        positions = range(step * size, (step + 1) * size)
        return [
            (p // self.length, int(_permutation(self.length, self.seed, p // self.length)[p % self.length]))
            for p in positions
        ]

    def generator(self, epoch: int, sample: int) -> np.random.Generator:
        """The random numbers that belong to one sample in one epoch: sigma, noise, drop-outs, crop."""
        return np.random.Generator(np.random.SFC64([self.seed, epoch, sample]))


@lru_cache(maxsize=4)
def _permutation(length: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(length)
