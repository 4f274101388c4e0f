import json

import pytest

from foundation.evaluation.report import Scores, Tally, write_page
from foundation.evaluation.vae import largest_loss

SHARES = {
    "scenes, rendered": {"color": 1.0, "shape": 0.9},
    "scenes, reconstructed": {"color": 0.95, "shape": 0.5},
    "puppets, rendered": {"hair": 0.25},
}


def test_groups_of_the_same_attributes_share_a_table():
    table = Scores("vae", shares=SHARES, figures={"PSNR (dB)": 30.126}).table()
    assert table.count("| | color | shape |") == 1
    assert "| scenes, reconstructed | 95.0% | 50.0% |" in table
    assert "| | hair |" in table
    assert table.endswith("- PSNR (dB): 30.126")


def test_the_lowest_share_is_named():
    assert Scores("vae", shares=SHARES).lowest() == (0.25, "puppets, rendered, hair")


def test_the_largest_loss_compares_worlds_with_their_reconstructions():
    pairs = {group: row for group, row in SHARES.items() if group.startswith("scenes")}
    assert largest_loss(pairs) == pytest.approx(40)


def test_a_tally_is_the_mean_of_its_answers():
    tally = Tally()
    for right in (True, False, True, True):
        tally.add("scenes", {"color": right})
    assert tally.shares() == {"scenes": {"color": 0.75}}


def test_the_page_tells_files_runs_and_scores(tmp_path):
    part = tmp_path / "vae"
    part.mkdir()
    (part / "model.safetensors").write_bytes(b"weights")
    stage = {"seed": 3, "steps": 70, "batch_size": 8}
    first = {"recipe": "vae", "training": stage, "data": {"worlds": {"mix": 12}}, "start": None}
    clips = {"steps": 9, "batch_size": 4, "frames": 17, "width": 64, "height": 48}
    stages = {"pictures": {**clips, "steps": 0}, "clips": clips}
    second = {"recipe": "t2v", "training": stage, "stages": stages, "data": None, "toybox": {"variants": 2}}
    (part / "training.json").write_text(json.dumps([first, second]))
    Scores("vae", {"clips per world": 4}, SHARES).write(tmp_path / "evaluation" / "vae.json")
    page = write_page(tmp_path).read_text()
    assert "`vae/model.safetensors`" in page
    assert "1. recipe `vae`: training, 70 steps of 8 samples; seed 3; data" in page
    assert "2. recipe `t2v`: clips, 9 steps of 4 samples (17 frames, 64x48); seed 3; data" in page
    assert "| puppets, rendered | 25.0% |" not in page.split("## Training")[0]
    assert "clips per world 4." in page
    assert "| scenes, reconstructed | 95.0% | 50.0% |" in page
