"""Rows on disk: found by their keys, whole or not at all, read one by one."""

import resource
import signal

import pytest
import torch

from foundation.data.folder.prepared import Shards
from shared.errors import ConfigError, ResourceError


def test_rows_are_found_by_their_keys_in_any_shard(tmp_path):
    shards = Shards(tmp_path)
    shards.add("a", ["one", "two"], {"x": torch.arange(6).view(2, 3)})
    shards.add("a", ["three"], {"x": torch.full((1, 3), 9)})
    for again in (shards, Shards(tmp_path)):
        assert again.row("two", "x").tolist() == [3, 4, 5]
        assert again.row("three", "x").tolist() == [9, 9, 9]
        assert "four" not in again
        with pytest.raises(ConfigError, match="lacks four"):
            again.check(["one", "four"])


def test_rows_of_several_lengths_are_cut_out_of_one_tensor(tmp_path):
    shards = Shards(tmp_path)
    rows = {"one": [1.0], "none": [], "three": [2.0, 3.0, 4.0]}
    lengths = torch.tensor([len(row) for row in rows.values()])
    shards.add(
        "a", list(rows), {"x": torch.tensor([x for row in rows.values() for x in row]), "lengths": lengths}
    )
    assert {key: shards.ragged(key, "x", "lengths").tolist() for key in rows} == rows


def test_a_full_disk_is_named_and_leaves_earlier_shards_whole(forked, tmp_path):
    def fill():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        shards = Shards(tmp_path)
        shards.add("a", ["small"], {"x": torch.ones(1, 8)})
        with pytest.raises(ResourceError, match="free some space"):
            shards.add("a", ["large"], {"x": torch.ones(1, 8000)})

    assert forked(fill) == 0
    assert [path.suffix for path in tmp_path.iterdir()] == [".safetensors"]
    assert Shards(tmp_path).row("small", "x").tolist() == [1.0] * 8
