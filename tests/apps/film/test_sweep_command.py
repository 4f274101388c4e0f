"""`kinora sweep`: combinations, names, the table, and going on."""

import csv

import numpy as np
import pytest
from fake_models import Fake

from apps.commands import COMMANDS
from apps.sweep import cli
from apps.sweep.axes import read_axes
from shared.console import run
from shared.errors import InputError
from shared.media.picture import write_png
from shared.receipts import read_receipt


@pytest.fixture
def sweep(tmp_path, model):
    def make(*words):
        Fake.calls.clear(), Fake.loads.clear()
        return cli.main([*map(str, words), f"model={model}", "--out", str(tmp_path / "swept")])

    return make


def table(folder):
    with (folder / "swept" / "sweep.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_combination_is_made_and_stands_in_the_table(sweep, tmp_path):
    assert sweep("t2v", "prompt=a red circle, moving", "prompt=a blue star", "seed=1,2,3", "cfg=2") == 0
    rows = table(tmp_path)
    assert [(row["prompt"], row["seed"], row["state"]) for row in rows] == [
        (prompt, str(seed), "made")
        for prompt in ("a red circle, moving", "a blue star")
        for seed in (1, 2, 3)
    ]
    assert rows[0]["file"].startswith("a-red-circle-moving_seed-1-")
    receipt = read_receipt(tmp_path / "swept" / rows[4]["file"])
    assert (receipt["request"]["prompt"], receipt["seed"], receipt["request"]["cfg"]) == (
        "a blue star",
        2,
        2.0,
    )


def test_the_model_stays_loaded(sweep):
    sweep("t2v", "prompt=a", "seed=1,2,3", "steps=1,2")
    assert len(Fake.loads) == 1
    sweep("t2v", "prompt=a", "prompt=b", "dtype=float32,bfloat16")
    assert len(Fake.loads) == 2


def test_what_is_there_is_not_made_again(sweep, tmp_path):
    sweep("t2v", "prompt=a", "seed=1,2")
    made = table(tmp_path)[0]["file"]
    assert sweep("t2v", "prompt=a", "seed=1,2,3") == 0
    assert len(Fake.calls) == 1
    assert [row["state"] for row in table(tmp_path)] == ["there", "there", "made"]
    assert table(tmp_path)[0]["file"] == made


def test_a_failure_stops_no_other_and_is_tried_again(sweep, tmp_path, capsys):
    assert sweep("t2v", "prompt=broken", "prompt=a", "seed=1,2") == 1
    assert [row["state"] for row in table(tmp_path)] == ["failed", "failed", "made", "made"]
    assert table(tmp_path)[0]["error"] == "the model broke"
    assert "2 of 4 failed" in capsys.readouterr().err
    assert sweep("t2v", "prompt=broken", "prompt=a", "seed=1,2") == 1
    assert [row["state"] for row in table(tmp_path)] == ["failed", "failed", "there", "there"]


def test_prompts_of_a_file_and_pictures_of_a_folder(sweep, tmp_path):
    (tmp_path / "prompts.txt").write_text("a, b\n\nc\n")
    (tmp_path / "pictures").mkdir()
    for number in (1, 2):
        pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), np.uint8)
        write_png(pixels, tmp_path / "pictures" / f"{number}.png")
    sweep("i2v", f"prompt=@{tmp_path / 'prompts.txt'}", f"image={tmp_path / 'pictures'}")
    assert len(Fake.calls) == len(table(tmp_path)) == 4
    assert {row["prompt"] for row in table(tmp_path)} == {"a, b", "c"}


def test_a_changed_picture_is_another_combination(sweep, tmp_path):
    for number in (1, 2):
        pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), np.uint8)
        write_png(pixels, tmp_path / "cat.png")
        sweep("i2v", "prompt=a", f"image={tmp_path / 'cat.png'}")
        assert len(Fake.calls) == 1


def test_films_are_swept_too(sweep, tmp_path, model):
    sweep("film", "prompt=a", "loudness=-16,-30", f"sound_model={model}")
    assert [command for command, *_ in Fake.calls] == ["t2v", "v2a", "t2v", "v2a"]
    assert len(list((tmp_path / "swept").glob("*.mp4"))) == 2


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["t2w", "prompt=a"], "unknown command 't2w' (did you mean t2v?)"),
        (["t2v"], "KEY=VALUE"),
        (["t2v", "prompt"], "KEY=VALUE is wanted"),
        (["t2v", "prompt=a", "seed="], "KEY=VALUE is wanted"),
        (["t2v", "promt=a"], "unknown setting 'promt' (did you mean prompt?)"),
        (["t2v", "prompt=a", "seed=1,two"], "seed='two': seed: wanted a whole number"),
        (["t2v", "prompt=a", "frames=17,18"], "frames='18': frames must be 4k + 1"),
        (["t2v", "prompt=a", "count=3"], "give a list of seeds"),
        (["t2v", "prompt=a", "out=b"], "give --out FOLDER"),
        (["t2v", "prompts=b.txt"], "prompt=@FILE"),
        (["t2v", "prompt=@nowhere.txt"], "nowhere.txt cannot be read"),
        (["t2v", "prompt=a", "format=png"], "frames=1"),
        (
            ["t2v", "prompt=a", f"seed={','.join(map(str, range(10_001)))}"],
            "10001 combinations are more than 10000",
        ),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_made(tmp_path, capsys, argv, words):
    assert run(cli.main, [*argv, "--out", str(tmp_path / "swept")]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert len(errors) == 1 and words in errors[0]
    assert not (tmp_path / "swept").exists()
    assert Fake.calls == []


def test_texts_keep_their_commas_and_numbers_are_listed():
    schema = COMMANDS["t2v"].schema()
    axes = read_axes(
        schema, ["prompt=a, b", "prompt=c", "size=32x32,64x64", "shift=auto,7", "rewrite=off,normal"]
    )
    assert axes == {
        "prompt": ["a, b", "c"],
        "size": ["32x32", "64x64"],
        "shift": ["auto", "7"],
        "rewrite": ["off", "normal"],
    }


def test_an_unknown_setting_is_refused():
    with pytest.raises(InputError, match="did you mean seed"):
        read_axes(COMMANDS["v2a"].schema(), ["sede=1"])
