"""What recipes on latents share, with models so small that a stage takes a moment."""

import json
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from foundation.training import flow_recipe
from foundation.training.config import Training
from foundation.training.curriculum import Stage
from foundation.training.flow_recipe import Encoders, stage_samples
from foundation.training.recipes import t2v, t2v_sft
from foundation.training.toy_clips import Worlds
from foundation.training.toy_samples import Toybox
from foundation.weights.folder import TRAINING_FILE
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
    monkeypatch.setattr(flow_recipe, "processes", lambda: process)
    settings = recipe({"chosen": PICTURES}, data=str(pictures))
    encoders = Encoders.load(Path(settings.base))
    stage_samples(settings, PICTURES, encoders)  # the first process has encoded everything
    capsys.readouterr()
    assert len(stage_samples(settings, PICTURES, encoders)) == 2
    assert ("pictures, 32x32" in capsys.readouterr().err) == main
