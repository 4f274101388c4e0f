"""What recipes on latents share, with models so small that a stage takes a moment."""

import json
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from foundation.checkpoints.model_folder import TRAINING_FILE
from foundation.training import flow
from foundation.training.config import Stage, Toybox, Training, Worlds
from foundation.training.flow import Encoders, stage_samples
from foundation.training.recipes import t2v, t2v_sft
from shared.errors import ConfigError
from shared.media.picture import write_png
from shared.toybox.mix import toy_clip

PICTURES = Stage(steps=2, batch_size=1, frames=1, width=32, height=32)
TINY = t2v.TransformerModel(
    num_attention_heads=2, attention_head_dim=16, num_single_layers=1, rope_axes_dim=[4, 6, 6]
)


@pytest.fixture
def recipe(model_folder, tmp_path, monkeypatch):
    """Settings of a run on pictures, by stage."""
    monkeypatch.setenv("KINORA_CACHE", str(tmp_path / "kinora"))

    def make(stages, **changes):
        return t2v.Config(
            base=str(model_folder),
            cache=str(tmp_path / "cache"),
            export=str(tmp_path / "export"),
            toybox=Toybox(worlds=Worlds(scenes=2), variants=1),
            training=Training(output=str(tmp_path / "run"), precision="no", warmup=1),
            model=TINY,
            stages=stages,
            **changes,
        )

    return make


@pytest.fixture
def pictures(tmp_path):
    """A folder of two pictures with captions."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed in range(2):
        clip = toy_clip(seed, "scenes", frames=1, size=(32, 32))
        write_png(clip.frames[0], folder / f"{seed}.png")
        (folder / f"{seed}.txt").write_text(clip.caption)
    return folder


@pytest.mark.parametrize(("module", "name"), [(t2v, "t2v"), (t2v_sft, "t2v_sft")])
def test_training_json_names_the_recipe_that_was_called(recipe, module, name):
    folder = module.run(recipe({"chosen": PICTURES}))
    [run] = json.loads((folder / "transformer" / TRAINING_FILE).read_text())
    assert run["recipe"] == name


@pytest.mark.parametrize("main", [True, False])
def test_of_several_processes_one_says_what_the_folder_holds(recipe, pictures, monkeypatch, capsys, main):
    process = SimpleNamespace(main_process_first=nullcontext, is_main_process=main)
    monkeypatch.setattr(flow, "processes", lambda: process)
    settings = recipe({"chosen": PICTURES}, data=str(pictures))
    encoders = Encoders.load(Path(settings.base))
    stage_samples(settings, PICTURES, encoders)  # the first process has encoded everything
    capsys.readouterr()
    assert len(stage_samples(settings, PICTURES, encoders)) == 2
    assert ("pictures, 32x32" in capsys.readouterr().err) == main


def test_clips_in_the_shape_of_the_stage_before_are_mixed_in_at_equal_cost(recipe):
    short = Stage(steps=0, frames=5, width=32, height=32)
    large = Stage(frames=9, width=64, height=64, pictures=0.0, earlier=2.0)
    settings = recipe({"short": short, "large": large})
    samples = stage_samples(settings, large, Encoders.load(Path(settings.base)))
    assert len(samples) == 2 + 2 * 2
    order = samples.order(seed=0)
    batches = sorted(([sample for _, sample in order.batch(step, 1)] for step in range(3)), key=len)
    assert [len(ids) for ids in batches] == [1, 1, 4]
    for ids, shape in ((batches[0], (3, 8, 8)), (batches[2], (2, 4, 4))):
        generators = [np.random.default_rng(number) for number in ids]
        assert samples.batch(ids, generators)["latents"].shape[2:] == shape


def test_the_first_stage_has_none_before_it(recipe):
    first = Stage(frames=5, width=32, height=32, pictures=0.0, earlier=1.0)
    settings = recipe({"first": first})
    with pytest.raises(ConfigError, match=r"stages\.first\.earlier is 1, but no stage comes before"):
        stage_samples(settings, first, Encoders.load(Path(settings.base)))
