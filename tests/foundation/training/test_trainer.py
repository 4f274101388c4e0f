"""The trainer: exact resume, order of samples, checkpoints that are whole or absent."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tiny_runs import Draws, Regression, config, final_weights
from torch import nn

from foundation.data.loading import SampleOrder
from foundation.data.toybox.latents import cached_shards
from foundation.training.checkpoint import checkpoints, prune, read_checkpoint, write_checkpoint
from foundation.training.metrics import MetricsLog
from foundation.training.optimizers import ProgressiveUnfreezing, orthogonalise, outermost_first, trapezoid
from foundation.training.text_objectives import Chats
from foundation.training.trainer import Trainer
from shared.errors import ConfigError, InputError, ResourceError, WeightsError


def test_a_run_that_was_killed_reaches_the_same_weights(tmp_path):
    Trainer(Regression(), Draws(), config(tmp_path / "whole")).run()
    for kill in (5, 2):
        with pytest.raises(RuntimeError, match="killed"):
            Trainer(Regression(), Draws(fail_at=kill), config(tmp_path / "cut")).run()
    Trainer(Regression(), Draws(), config(tmp_path / "cut")).run()
    whole, cut = final_weights(tmp_path / "whole"), final_weights(tmp_path / "cut")
    for kind in ("model", "ema"):
        assert all(torch.equal(whole[kind][key], cut[kind][key]) for key in whole[kind])


@pytest.mark.slow
def test_twenty_kills_at_any_moment_change_neither_losses_nor_weights(forked, tmp_path):
    def run(name):
        # A checkpoint every few steps, so that kills meet steps, checkpoints, logs and starts alike.
        Trainer(
            Regression(), Draws(), config(tmp_path / name, steps=1500, checkpoint_minutes=0.05 / 60)
        ).run()

    begin = time.monotonic()
    assert forked(partial(run, "whole"), 200) == 0
    longest = (time.monotonic() - begin) / 16  # all in all 20 starts live about 0.6 times as long as the run
    chance = random.Random(0)
    reached = set()
    for _ in range(20):
        assert forked(partial(run, "cut"), chance.uniform(0, longest)) == -signal.SIGKILL
        reached.update(checkpoints(tmp_path / "cut" / "checkpoints"))
    assert len(reached) > 5
    assert forked(partial(run, "cut"), 200) == 0
    whole, cut = final_weights(tmp_path / "whole"), final_weights(tmp_path / "cut")
    for kind in ("model", "ema"):
        assert all(torch.equal(whole[kind][key], cut[kind][key]) for key in whole[kind])
    logs = [(tmp_path / name / "metrics.csv").read_text() for name in ("whole", "cut")]
    assert logs[0] == logs[1]


def test_the_log_of_a_resumed_run_has_every_step_once(tmp_path):
    with pytest.raises(RuntimeError):
        Trainer(Regression(), Draws(fail_at=5), config(tmp_path)).run()
    Trainer(Regression(), Draws(), config(tmp_path)).run()
    rows = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    assert [int(row["step"]) for row in rows] == list(range(1, 13))


def test_a_log_whose_end_cannot_be_dropped_stays_as_it_is(tmp_path, monkeypatch):
    path = tmp_path / "metrics.csv"
    with MetricsLog(path, 0) as log:
        for step in range(1, 4):
            log.write({"step": step, "loss": 0.5})
    before = path.read_text()

    def fail(writer, rows):
        writer.writerow(rows[0])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(csv.DictWriter, "writerows", fail)
        with pytest.raises(KeyboardInterrupt):
            MetricsLog(path, 2)
    assert path.read_text() == before
    with MetricsLog(path, 2) as log:
        log.write({"step": 3, "loss": 0.5})
    assert path.read_text() == before


def test_training_lowers_the_loss(tmp_path):
    Trainer(Regression(), Draws(), config(tmp_path, steps=200, checkpoint_minutes=9.0)).run()
    rows = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    assert float(rows[-1]["loss"]) < 0.2 * float(rows[0]["loss"])


def test_a_finished_run_is_not_trained_again(tmp_path):
    Trainer(Regression(), Draws(), config(tmp_path)).run()
    samples = Draws()
    Trainer(Regression(), samples, config(tmp_path)).run()
    assert samples.seen == []


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path):
    Trainer(Regression(), Draws(), config(tmp_path, steps=1)).run()
    other = Regression()
    other.model = nn.Linear(4, 4)
    with pytest.raises(WeightsError, match="belongs to another recipe"):
        Trainer(other, Draws(), config(tmp_path)).run()


def test_data_that_changed_since_the_checkpoint_are_refused(tmp_path):
    samples = Draws()
    samples.fingerprint = "of three clips"
    Trainer(Regression(), samples, config(tmp_path, steps=4)).run()
    Trainer(Regression(), samples, config(tmp_path, steps=6)).run()
    samples.fingerprint = "of four clips"
    trainer = Trainer(Regression(), samples, config(tmp_path))
    with pytest.raises(ConfigError, match=r"step-00000006 \(fingerprint of three clips, now of four clips\)"):
        trainer.run()


def test_a_checkpoint_that_does_not_say_what_it_saw_is_taken(tmp_path):
    Trainer(Regression(), Draws(), config(tmp_path, steps=4)).run()
    samples = Draws()
    samples.fingerprint = "of three clips"
    Trainer(Regression(), samples, config(tmp_path)).run()
    assert len(samples.seen) == 8


@given(length=st.integers(1, 40), size=st.integers(1, 9), seed=st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_every_sample_comes_exactly_once_an_epoch(length, size, seed):
    order = SampleOrder(length, seed)
    members = [member for step in range(3 * length) for member in order.batch(step, size)]
    for epoch in range(3 * length * size // length):
        assert sorted(i for e, i in members if e == epoch) == list(range(length))


def test_the_numbers_of_a_sample_do_not_depend_on_its_batch():
    order = SampleOrder(10, seed=3)
    assert order.generator(1, 4).random() == order.generator(1, 4).random()
    assert order.generator(1, 4).random() != order.generator(2, 4).random()


def test_checkpoints_are_pruned_from_the_oldest(tmp_path):
    for step in (1, 20, 3):
        write_checkpoint(tmp_path, step, {"model": {"w": torch.ones(2)}}, {}, {})
    prune(tmp_path, keep=2)
    assert [path.name for path in checkpoints(tmp_path)] == ["step-00000003", "step-00000020"]


@pytest.mark.parametrize(
    ("function", "error"),
    [
        ("os.fsync", OSError(28, "No space left on device")),
        ("save_file", SafetensorError("I/O error: No space left on device (os error 28)")),
    ],
)
def test_a_full_disk_leaves_the_last_checkpoint_whole(tmp_path, monkeypatch, function, error):
    def fail(*_, **__):
        raise error

    write_checkpoint(tmp_path, 1, {"model": {"w": torch.ones(2)}}, {"a": 1}, {"note": "x"})
    monkeypatch.setattr(f"foundation.training.checkpoint.{function}", fail)
    with pytest.raises(ResourceError, match="No space left"):
        write_checkpoint(tmp_path, 2, {"model": {"w": torch.ones(2)}}, {}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    tensors, optimizer, state = read_checkpoint(tmp_path / "step-00000001")
    assert torch.equal(tensors["model"]["w"], torch.ones(2))
    assert optimizer == {"a": 1}
    assert state == {"note": "x", "step": 1}


def test_a_damaged_checkpoint_is_named(tmp_path):
    path = write_checkpoint(tmp_path, 1, {"model": {"w": torch.ones(2)}}, {}, {})
    (path / "state.json").write_text(json.dumps({"step": 1})[:-3])
    with pytest.raises(WeightsError, match="step-00000001 is damaged"):
        read_checkpoint(path)


def test_muon_steps_are_nearly_orthogonal():
    matrix = orthogonalise(torch.randn(16, 64, generator=torch.Generator().manual_seed(0)))
    values = torch.linalg.svdvals(matrix.float())
    assert values.min() > 0.5
    assert values.max() < 1.5


def test_the_learning_rate_rises_holds_and_falls_to_nothing():
    factors = [trapezoid(step, total=100, warmup=10, decay=0.5) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[10:50] == [1.0] * 40
    assert factors[100] == 0.0
    assert factors[50:] == sorted(factors[50:], reverse=True)


RUN_OF_A_PROCESS = """
import sys
sys.path.insert(0, {folder!r})
from pathlib import Path
from tiny_runs import Draws, Regression, config
from foundation.training.text_objectives import Chats
from foundation.training.trainer import Trainer
Trainer(Regression(), Draws(), config(Path({output!r}), batch_size=4, checkpoint_minutes=9.0)).run()
"""


@pytest.mark.slow
def test_two_processes_share_a_batch_and_reach_the_losses_of_one(tmp_path):
    losses = []
    for count in (1, 2):
        script, output = tmp_path / f"{count}.py", tmp_path / str(count)
        script.write_text(RUN_OF_A_PROCESS.format(folder=str(Path(__file__).parent), output=str(output)))
        launch = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={count}", "--standalone"]
        subprocess.run([*launch, str(script)], check=True, timeout=240)
        rows = list(csv.DictReader((output / "metrics.csv").open()))
        losses.append([float(row["loss"]) for row in rows])
    assert len(losses[0]) == 12
    assert losses[1] == pytest.approx(losses[0], abs=1e-4)


SHARDED_RUN_OF_A_PROCESS = """
import sys
sys.path.insert(0, {folder!r})
from pathlib import Path
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType
from tiny_runs import Draws, Regression, config
from torch.distributed.tensor import DTensor
from foundation.training.text_objectives import Chats
from foundation.training.trainer import Trainer

prepare = AcceleratorState.__init__

def shard_on_cpus_too(self, *args, fsdp_plugin=None, **settings):
    prepare(self, *args, fsdp_plugin=fsdp_plugin, **settings)
    if fsdp_plugin is not None:
        self.distributed_type, self.fsdp_plugin = DistributedType.FSDP, fsdp_plugin

AcceleratorState.__init__ = shard_on_cpus_too
settings = config(Path({output!r}), batch_size=4, accumulate=2)
try:
    Trainer(Regression(), Draws(fail_at=9), settings).run()
except RuntimeError as error:
    assert str(error) == "killed"
objective = Regression()
trainer = Trainer(objective, Draws(), settings)
assert all(isinstance(parameter, DTensor) for parameter in trainer.trained.values())
trainer.run()
assert not any(isinstance(parameter, DTensor) for parameter in objective.parameters())
"""


@pytest.mark.slow
def test_processes_that_share_the_weights_reach_what_one_reaches_and_resume(tmp_path):
    Trainer(Regression(), Draws(), config(tmp_path / "one", batch_size=4, accumulate=2)).run()
    script, output = tmp_path / "two.py", tmp_path / "two"
    script.write_text(SHARDED_RUN_OF_A_PROCESS.format(folder=str(Path(__file__).parent), output=str(output)))
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    told = {
        "ACCELERATE_USE_FSDP": "true",
        "FSDP_VERSION": "2",
        "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
        "FSDP_TRANSFORMER_CLS_TO_WRAP": "Linear",
    }
    subprocess.run([*launch, str(script)], check=True, timeout=600, env={**os.environ, **told})
    one, two = final_weights(tmp_path / "one"), final_weights(output)
    for kind in ("model", "ema"):
        for key, value in one[kind].items():
            torch.testing.assert_close(two[kind][key], value, atol=1e-3, rtol=0)
    losses = [
        [float(row["loss"]) for row in csv.DictReader((tmp_path / name / "metrics.csv").open())]
        for name in ("one", "two")
    ]
    assert len(losses[0]) == 12
    assert losses[1] == pytest.approx(losses[0], abs=1e-4)


class Looked:
    """Notes which weights it was shown."""

    def __init__(self, objective):
        self.objective, self.seen = objective, []

    def __call__(self, step):
        self.seen.append((step, self.objective.model[0].weight.clone()))
        return {"score": float(step)}


def test_the_averaged_weights_are_watched_and_training_goes_on_with_its_own(tmp_path):
    plain, watched = Regression(), Regression()
    watch = Looked(watched)
    Trainer(plain, Draws(), config(tmp_path / "plain")).run()
    Trainer(watched, Draws(), config(tmp_path / "watched", watch_every=4), watch=watch).run()
    rows = list(csv.DictReader((tmp_path / "watched" / "scores.csv").open()))
    assert [row["score"] for row in rows] == ["4.0", "8.0", "12.0"]
    assert torch.equal(watch.seen[-1][1], final_weights(tmp_path / "watched")["ema"]["0.weight"])
    assert torch.equal(plain.model[0].weight, watched.model[0].weight)


def test_accumulating_small_batches_equals_one_large_batch(tmp_path):
    for name, changes in {"large": {"batch_size": 10}, "small": {"batch_size": 5, "accumulate": 2}}.items():
        Trainer(Regression(), Draws(), config(tmp_path / name, **changes)).run()
    norms = [
        float(next(csv.DictReader((tmp_path / name / "metrics.csv").open()))["gradient_norm"])
        for name in ("large", "small")
    ]
    assert norms[1] == pytest.approx(norms[0], rel=1e-4)
    large, small = (final_weights(tmp_path / name)["model"] for name in ("large", "small"))
    for key in large:
        torch.testing.assert_close(large[key], small[key], atol=5e-3, rtol=0)


def test_layers_join_the_training_from_the_outermost_inwards(tmp_path):
    objective = Regression()
    start = {key: value.clone() for key, value in objective.model.state_dict().items()}
    unfreezing = ProgressiveUnfreezing((("2.",), ("0.",)), steps=6)
    Trainer(objective, Draws(), config(tmp_path, steps=6), unfreezing=unfreezing).run()
    assert torch.equal(objective.model.state_dict()["0.weight"], start["0.weight"])
    assert not torch.equal(objective.model.state_dict()["2.weight"], start["2.weight"])
    Trainer(objective, Draws(), config(tmp_path, steps=8), unfreezing=unfreezing).run()
    assert not torch.equal(objective.model.state_dict()["0.weight"], start["0.weight"])


def test_blocks_are_paired_from_both_ends():
    assert outermost_first(["a.", "b.", "c.", "d.", "e."]) == (("a.", "e."), ("b.", "d."), ("c.",))


def test_trackers_are_told_what_the_log_says(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(Accelerator, "log", lambda self, values, step: told.append((step, values)))
    Trainer(Regression(), Draws(), config(tmp_path)).run()
    rows = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    assert [(step, values["loss"]) for step, values in told] == [
        (int(row["step"]), float(row["loss"])) for row in rows
    ]


def test_sharding_that_cannot_work_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(
        ConfigError, match="needs fsdp_version: 2 and a process per GPU; this run is NO with 1 on"
    ):
        Trainer(Regression(), Draws(), config(tmp_path))


def test_a_tracker_that_is_not_installed_is_named(tmp_path):
    with pytest.raises(ConfigError, match="names abacus, which accelerate does not find"):
        Trainer(Regression(), Draws(), config(tmp_path, trackers=["abacus"]))


class Broken(Draws):
    """Samples of which the batch of one step holds a NaN."""

    def batch(self, ids, generators):
        batch = super().batch(ids, generators)
        if len(self.seen) == 6:
            batch["x"][0, 0] = torch.nan
        return batch


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_checkpoint(tmp_path):
    with pytest.raises(InputError, match=r"^step 6: x is not finite; .*step-00000005$"):
        Trainer(Regression(), Broken(), config(tmp_path)).run()
    weights = final_weights(tmp_path)
    assert all(one.isfinite().all() for kind in weights.values() for one in kind.values())
    assert checkpoints(tmp_path / "checkpoints")[-1].name == "step-00000005"


def test_the_first_gradient_that_is_no_number_is_named(tmp_path):
    objective = Regression()
    objective.model[2].weight.register_hook(lambda gradient: gradient * torch.nan)
    with pytest.raises(
        InputError, match=r"^step 1: gradient of 2\.weight is not finite; .* no checkpoint yet$"
    ):
        Trainer(objective, Draws(), config(tmp_path)).run()


def _cut(path):
    path.write_bytes(path.read_bytes()[:-9])


def _not_finite(path):
    tensors = load_file(path)
    tensors["0.weight"][0, 0] = torch.nan
    save_file(tensors, path)


@pytest.mark.parametrize(
    ("name", "break_file"),
    [
        ("model.safetensors", Path.unlink),
        ("ema.safetensors", Path.unlink),
        ("model.safetensors", _cut),
        ("ema.safetensors", _not_finite),
        ("state.json", lambda path: path.write_text("[]")),
        ("state.json", lambda path: path.write_text('{"step": "8"}')),
        ("state.json", lambda path: path.write_text('{"step": 8, "ema_step": null}')),
        ("optimizer.pt", lambda path: torch.save({}, path)),
        ("optimizer.pt", lambda path: torch.save([], path)),
        ("optimizer.pt", _cut),
    ],
)
def test_a_run_goes_on_from_before_a_damaged_checkpoint(tmp_path, capsys, name, break_file):
    Trainer(Regression(), Draws(), config(tmp_path / "whole")).run()
    Trainer(Regression(), Draws(), config(tmp_path / "cut", steps=12)).run()
    folder = tmp_path / "cut" / "checkpoints"
    (folder / "step-notes").mkdir()
    break_file(checkpoints(folder)[-1] / name)
    Trainer(Regression(), Draws(), config(tmp_path / "cut")).run()
    said = capsys.readouterr().err
    assert f"step-00000012 is damaged ({name}: " in said
    assert "going on from step-00000011" in said
    assert (folder / "step-00000012.damaged").is_dir()
    whole, cut = final_weights(tmp_path / "whole"), final_weights(tmp_path / "cut")
    for kind in ("model", "ema"):
        assert all(torch.equal(whole[kind][key], cut[kind][key]) for key in whole[kind])


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\0", b"a,b\n1,2\n", b"step,loss\nx,1\n", b"step,loss\n1,2,3\n"]
)
def test_a_broken_log_is_set_aside(tmp_path, capsys, content):
    path = tmp_path / "metrics.csv"
    path.write_bytes(content)
    with MetricsLog(path, 4) as log:
        log.write({"step": 5, "loss": 0.5})
    assert list(csv.DictReader(path.open())) == [{"step": "5", "loss": "0.5"}]
    assert (tmp_path / "metrics.csv.damaged").read_bytes() == content
    assert "metrics.csv.damaged" in capsys.readouterr().err


def test_a_damaged_shard_of_the_cache_is_made_again(tmp_path, capsys):
    def shards():
        return cached_shards(tmp_path, [("a", range(2))], lambda world, seeds: {"x": torch.arange(2.0)})

    shards()
    _cut(next(tmp_path.glob("*.safetensors")))
    assert torch.equal(shards()[0]["x"], torch.arange(2.0))
    assert "is damaged and is made again" in capsys.readouterr().err


def test_the_log_holds_the_mean_over_accumulated_batches(tmp_path):
    rows = []
    for name, changes in {"large": {"batch_size": 10}, "small": {"batch_size": 5, "accumulate": 2}}.items():
        Trainer(Regression(), Draws(), config(tmp_path / name, steps=1, **changes)).run()
        rows.append(next(csv.DictReader((tmp_path / name / "metrics.csv").open())))
    for value in ("loss", "error"):
        assert float(rows[1][value]) == pytest.approx(float(rows[0][value]), rel=1e-5)


def test_a_mask_is_made_where_its_chats_are():
    with torch.device("meta"):
        numbers, flags = torch.zeros(2, dtype=torch.long), torch.zeros(2, dtype=torch.bool)
        facts = torch.zeros(2, 3)
        chats = Chats(torch.zeros(2, 5).long(), numbers, numbers, numbers, flags, facts, facts, facts)
    assert chats.attend.device.type == "meta"
