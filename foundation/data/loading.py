"""The order of samples and their batches, independent of ranks, workers and restarts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

Members = list[tuple[int, int]]
"""(epoch, sample id) of each member of a batch."""


class Order(Protocol):
    """The order of a run's batches, each a function of its number alone."""

    def batch(self, step: int, size: int) -> Members: ...

    def generator(self, epoch: int, sample: int) -> np.random.Generator: ...


@dataclass(frozen=True)
class SampleOrder:
    """A fresh permutation of `length` samples in every epoch, drawn from the seed alone."""

    length: int
    seed: int

    def batch(self, step: int, size: int) -> Members:
        """(epoch, sample id) of each member of the global batch of a step."""
        positions = range(step * size, (step + 1) * size)
        return [
            (p // self.length, int(_permutation(self.length, self.seed, p // self.length)[p % self.length]))
            for p in positions
        ]

    def generator(self, epoch: int, sample: int) -> np.random.Generator:
        """The random numbers that belong to one sample in one epoch: sigma, noise, drop-outs, crop."""
        return _numbers(self.seed, epoch, sample)


@dataclass(frozen=True, eq=False)
class BucketOrder:
    """Batches of one bucket each, all buckets' mixed anew in every epoch (paper section 4.5).

    Every sample comes exactly once an epoch. A bucket is dealt out evenly to as few batches as its size of a batch
    allows, so that none of them is a small remainder.

    Attributes:
        buckets: the sample ids of each bucket.
        scales: how many samples of each bucket make up for one of `size` in `batch`, 1 or more.
        seed: of the permutations and of each sample's numbers.
    """

    buckets: tuple[tuple[int, ...], ...]
    scales: tuple[float, ...]
    seed: int

    def batch(self, step: int, size: int) -> Members:
        """(epoch, sample id) of each member of the global batch of a step, all of one bucket.

        Args:
            step: number of the batch.
            size: samples in a batch of the bucket whose scale is 1.
        """
        epoch, place = divmod(step, self.length(size))
        return [(epoch, int(sample)) for sample in _dealt(self, size, epoch)[place]]

    def generator(self, epoch: int, sample: int) -> np.random.Generator:
        """The random numbers that belong to one sample in one epoch: sigma, noise, drop-outs, crop."""
        return _numbers(self.seed, epoch, sample)

    def length(self, size: int) -> int:
        """Batches in an epoch."""
        return sum(self._counts(size))

    def _counts(self, size: int) -> list[int]:
        """Batches of each bucket."""
        return [
            math.ceil(len(bucket) / int(size * scale))
            for bucket, scale in zip(self.buckets, self.scales, strict=True)
        ]


def _numbers(seed: int, epoch: int, sample: int) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64([seed, epoch, sample]))


@lru_cache(maxsize=4)
def _permutation(length: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(length)


@lru_cache(maxsize=4)
def _dealt(order: BucketOrder, size: int, epoch: int) -> list[np.ndarray]:
    """The batches of an epoch."""
    rng = np.random.default_rng([order.seed, epoch])
    batches = [
        batch
        for bucket, count in zip(order.buckets, order._counts(size), strict=True)
        for batch in np.array_split(rng.permutation(bucket), count)
    ]
    return [batches[place] for place in rng.permutation(len(batches))]


Batch = dict[str, Tensor]


class Samples(Protocol):
    """Training data: `batch` draws all randomness of a sample from the generator given with it.

    Data that can change between two starts of a run have a `fingerprint`, a text that changes with them.
    """

    def __len__(self) -> int: ...

    def batch(self, ids: Sequence[int], generators: Sequence[np.random.Generator]) -> Batch: ...


class Share(NamedTuple):
    """One process's part of a batch.

    `weight` times the mean loss over the part, averaged over the processes, is the mean over the whole batch; it is
    1 where the parts are equal, and 0 where a batch has fewer samples than there are processes and a process stands
    in with one of them.
    """

    batch: Batch
    weight: float


class Shares(Dataset):
    """This process's part of every batch, by the batch's number."""

    def __init__(
        self, samples: Samples, order: Order, size: int, process: int = 0, processes: int = 1
    ) -> None:
        self.samples, self.order, self.size = samples, order, size
        self.process, self.processes = process, processes

    def __getitem__(self, index: int) -> Share:
        members = self.order.batch(index, self.size)
        own = members[self.process :: self.processes]
        weight = len(own) * self.processes / len(members)
        own = own or members[:1]
        generators = [self.order.generator(*member) for member in own]
        return Share(self.samples.batch([sample for _, sample in own], generators), weight)


def load(shares: Shares, numbers: range, workers: int = 0) -> Iterator[Share]:
    """The shares of some batches, in their order.

    Args:
        shares: of this process.
        numbers: of the batches.
        workers: processes that make them ahead; 0: they are made when they are asked for.
    """
    # A generator of its own: the loader would otherwise draw from the one that models draw from.
    return iter(
        DataLoader(shares, batch_size=None, sampler=numbers, num_workers=workers, generator=torch.Generator())
    )
