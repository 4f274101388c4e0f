"""Stages after one another, each from the averaged weights of the one before."""

import pytest
import torch
from tiny_runs import Draws, Regression, config, final_weights

from foundation.data.loading import SampleOrder
from foundation.training.config import Stage
from foundation.training.curriculum import run_curriculum
from shared.errors import WeightsError


class OrderedDraws(Draws):
    def order(self, seed):
        return SampleOrder(len(self), seed)


STAGES = {"short": Stage(steps=4, batch_size=2, frames=5), "long": Stage(steps=6, batch_size=2, frames=9)}


@pytest.fixture
def train(tmp_path):
    """Runs the stages on a model; the frames of the stages whose data were asked for are `train.asked`."""

    def run(objective, stages=STAGES, fail_at=None):
        run.asked = []

        def samples(stage):
            run.asked.append(stage.frames)
            return OrderedDraws(fail_at if stage.frames == 9 else None)

        return run_curriculum(stages, config(tmp_path), lambda: objective, samples)

    return run


def test_each_stage_leaves_its_averaged_weights_in_the_model(train, tmp_path):
    objective = Regression()
    train(objective)
    averaged = final_weights(tmp_path / "long")["ema"]
    assert train.asked == [5, 9]
    assert all(torch.equal(value, averaged[name]) for name, value in objective.model.state_dict().items())


def test_a_curriculum_that_goes_on_asks_for_no_data_of_finished_stages(train, tmp_path, capsys):
    with pytest.raises(RuntimeError, match="killed"):
        train(Regression(), fail_at=3)
    objective = Regression()
    train(objective)
    assert train.asked == [9]
    assert "stage short is finished and is not trained again" in capsys.readouterr().err
    cut = final_weights(tmp_path / "long")["model"]
    for name in ("short", "long"):
        (tmp_path / name).rename(tmp_path / f"cut-{name}")
    train(Regression())
    whole = final_weights(tmp_path / "long")["model"]
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_a_finished_curriculum_gives_its_weights_and_asks_for_nothing(train, tmp_path):
    first, again = Regression(), Regression()
    last = train(first)
    assert train(again) == last
    assert train.asked == []
    for one, other in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_stage_that_is_to_be_longer_than_it_was_goes_on(train):
    train(Regression(), {"short": STAGES["short"]})
    train(Regression(), {"short": Stage(steps=7, batch_size=2, frames=5)})
    assert train.asked == [5]


def test_a_finished_stage_of_another_model_is_refused(train):
    train(Regression())
    other = Regression()
    other.model = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.SiLU(), torch.nn.Linear(6, 4))
    with pytest.raises(WeightsError, match="step-00000004 belongs to another recipe"):
        train(other)


def test_a_finished_stage_whose_last_checkpoint_is_damaged_goes_on_from_the_one_before(tmp_path):
    from foundation.training.checkpoint import (
        DamagedCheckpoint,
        checkpoints,
        finished,
        write_checkpoint,
    )

    tensors = {"model": {"w": torch.ones(2)}, "ema": {"w": torch.ones(2)}}
    for step in (2, 4):
        write_checkpoint(tmp_path, step, tensors, {}, {})
    assert finished(tmp_path, 4) == tmp_path / "step-00000004"
    (tmp_path / "step-00000004" / "ema.safetensors").unlink()
    assert finished(tmp_path, 4) is None
    assert [path.name for path in checkpoints(tmp_path)] == ["step-00000002"]
    (tmp_path / "step-00000002" / "ema.safetensors").unlink()
    with pytest.raises(DamagedCheckpoint, match=r"ema\.safetensors"):
        finished(tmp_path, 2)
