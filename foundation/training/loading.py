"""Batches made ahead of their step by worker processes, the same with any number of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from foundation.training.order import Order

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
