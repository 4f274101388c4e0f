"""The order of samples in buckets, whatever number of processes and workers asks for it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from foundation.data.loading import BucketOrder, SampleOrder, Shares, load


class Identities:
    """Samples that say who they are and what they drew."""

    def batch(self, ids, generators):
        draws = [generator.random() for generator in generators]
        return {"id": torch.tensor(list(ids)), "draw": torch.tensor(draws)}


def bucket_order(lengths, scales=None, seed=0):
    ends = np.cumsum(lengths)
    ids = np.random.default_rng(1).permutation(int(ends[-1])).tolist()
    buckets = tuple(tuple(ids[end - length : end]) for length, end in zip(lengths, ends, strict=True))
    return BucketOrder(buckets, tuple(scales or [1.0] * len(lengths)), seed)


lengths = st.lists(st.integers(1, 23), min_size=1, max_size=5)


@given(lengths, st.integers(1, 9), st.integers(0, 5))
def test_every_sample_comes_exactly_once_an_epoch(lengths, size, seed):
    order = bucket_order(lengths, seed=seed)
    steps = order.length(size)
    for epoch in range(3):
        members = [one for step in range(steps) for one in order.batch(epoch * steps + step, size)]
        assert sorted(members) == [(epoch, sample) for sample in range(sum(lengths))]


@given(lengths, st.integers(1, 9), st.floats(1, 5))
def test_a_batch_is_of_one_bucket_and_never_larger_than_its_size(lengths, size, scale):
    scales = [1.0] + [scale] * (len(lengths) - 1)
    order = bucket_order(lengths, scales)
    for step in range(2 * order.length(size)):
        members = {sample for _, sample in order.batch(step, size)}
        [place] = [place for place, bucket in enumerate(order.buckets) if members & set(bucket)]
        assert members <= set(order.buckets[place])
        assert 1 <= len(members) <= int(size * scales[place])


@given(st.integers(1, 60), st.integers(1, 9))
def test_no_batch_of_a_bucket_is_a_small_remainder(length, size):
    order = bucket_order([length])
    counts = [len(order.batch(step, size)) for step in range(order.length(size))]
    assert max(counts) - min(counts) <= 1


def test_the_order_belongs_to_the_seed_and_changes_with_the_epoch():
    def epochs(seed):
        order = bucket_order([7, 5, 3], seed=seed)
        return [
            [tuple(order.batch(step, 2)) for step in range(9)],
            [order.batch(step, 2) for step in range(9, 18)],
        ]

    assert epochs(3) == epochs(3)
    assert epochs(3) != epochs(4)
    first, second = epochs(3)
    assert [[sample for _, sample in batch] for batch in first] != [[s for _, s in batch] for batch in second]


def test_buckets_are_mixed_within_an_epoch():
    order = bucket_order([40, 40])
    places = ["".join("01"[order.batch(step, 4)[0][1] in order.buckets[1]] for step in range(20))]
    assert "01" in places[0]
    assert "10" in places[0]


def test_the_numbers_of_a_sample_are_the_same_in_either_order():
    numbers = [order.generator(2, 5).random() for order in (bucket_order([9]), SampleOrder(9, 0))]
    assert numbers[0] == numbers[1]


ORDERS = [pytest.param(bucket_order([7, 5, 2]), id="buckets"), pytest.param(SampleOrder(14, 0), id="samples")]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("workers", [0, 1, 4])
def test_each_sample_is_seen_once_an_epoch_with_any_number_of_workers(order, workers):
    steps = order.length(2) if isinstance(order, BucketOrder) else 7
    shares = list(load(Shares(Identities(), order, 2), range(steps), workers))
    assert sorted(torch.cat([share.batch["id"] for share in shares]).tolist()) == list(range(14))
    draws = {int(i): float(d) for share in shares for i, d in zip(*share.batch.values(), strict=True)}
    assert draws == {sample: pytest.approx(order.generator(0, sample).random()) for sample in range(14)}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_the_mean_over_processes_is_the_mean_over_the_batch(order, processes):
    whole = Shares(Identities(), order, 4)
    parts = [Shares(Identities(), order, 4, process, processes) for process in range(processes)]
    for number in range(8):
        weighted = [one.weight * one.batch["draw"].mean() for one in (part[number] for part in parts)]
        assert float(sum(weighted) / processes) == pytest.approx(float(whole[number].batch["draw"].mean()))


def test_loading_draws_nothing_from_the_numbers_that_models_draw_from():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    list(load(Shares(Identities(), SampleOrder(4, 0), 2), range(2)))
    assert torch.equal(torch.rand(3), expected)
