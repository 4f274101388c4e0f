"""`kinora lora`, `kinora t2v --lora`, and clips made again with the LoRAs that made them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lora_files import write_as
from safetensors.torch import load_file, save_file

from foundation.checkpoints.lora.cli import main
from foundation.rerun import rerun
from foundation.t2v import cli
from shared import console
from shared.errors import InputError, WeightsError
from shared.receipts import read_receipt


@pytest.fixture(scope="module", autouse=True)
def models(model_folder, tmp_path_factory):
    """A machine on which the tiny model has a name."""
    home = tmp_path_factory.mktemp("models")
    shutil.copytree(model_folder, home / "house" / "tiny")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("KINORA_MODELS", str(home))
        yield home


@pytest.fixture
def lora(tmp_path, monkeypatch):
    """A file that the machine has never used, as in each test it begins its record of hashes anew."""
    monkeypatch.setenv("KINORA_CACHE", str(tmp_path / "cache"))
    return write_as("musubi", tmp_path / "style.safetensors")


def t2v(*argv):
    words = ["--prompt", "a red circle", "--seed", 7, "--model", "house/tiny", "--steps", 1]
    cli.main([str(word) for word in (*words, *argv)])


def again(*argv):
    rerun.main([str(word) for word in argv], {"t2v": "foundation.t2v.cli"})


def raw(path):
    return read_receipt(path)["raw_frames_sha256"]


# -- t2v ---------------------------------------------------------------------------------------------------


def test_a_lora_changes_the_clip_and_the_receipt_says_which_it_was(lora, tmp_path, capsys):
    other = write_as("diffusers", tmp_path / "other.safetensors")
    t2v("--out", tmp_path / "plain.mkv")
    t2v("--out", tmp_path / "styled.mkv", "--lora", f"{lora}:0.8", "--lora", other)
    assert raw(tmp_path / "styled.mkv") != raw(tmp_path / "plain.mkv")
    said = capsys.readouterr().err
    assert f"LoRA {lora} at scale 0.8: 18 keys matched, 0 unmatched" in said
    receipt = read_receipt(tmp_path / "styled.mkv")
    assert [(one["name"], one["scale"], len(one["sha256"])) for one in receipt["details"]["lora"]] == [
        ("style.safetensors", 0.8, 64),
        ("other.safetensors", 1.0, 64),
    ]
    assert "lora" not in receipt["request"]
    assert str(tmp_path) not in str(receipt)
    assert "details" not in read_receipt(tmp_path / "plain.mkv")


def test_scale_zero_gives_the_frames_of_the_base(lora, tmp_path):
    t2v("--out", tmp_path / "plain.mkv")
    t2v("--out", tmp_path / "zero.mkv", "--lora", f"{lora}:0")
    assert raw(tmp_path / "zero.mkv") == raw(tmp_path / "plain.mkv")


@pytest.mark.parametrize(
    "given", ["none.safetensors", "folder", "style.safetensors:abc", "style.safetensors:99"]
)
def test_a_wrong_lora_is_one_line_and_exit_code_2_before_torch(given, lora, tmp_path, capsys):
    script = (
        "import sys; from shared.console import run; from foundation.t2v import cli\n"
        f"code = run(cli.main, ['--prompt', 'a', '--out', {str(tmp_path)!r}, '--lora', {str(lora.parent / given)!r}])\n"
        "print(code, 'torch' in sys.modules)"
    )
    (tmp_path / "folder").mkdir()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["2", "False"]
    assert len([line for line in done.stderr.splitlines() if "error:" in line]) == 1


def test_a_lora_of_another_model_ends_the_run_with_exit_code_2(tmp_path, capsys):
    wide = write_as("comfy", tmp_path / "wide.safetensors", width=48)
    argv = ["--prompt", "a", "--model", "house/tiny", "--out", str(tmp_path / "a.mkv"), "--lora", str(wide)]
    assert console.run(cli.main, argv) == 2
    assert "is a LoRA of another model: it maps 48 to 48" in capsys.readouterr().err
    assert not (tmp_path / "a.mkv").exists()


# -- rerun -------------------------------------------------------------------------------------------------


def test_a_clip_is_made_again_with_the_lora_that_made_it(lora, tmp_path, capsys):
    clip = tmp_path / "clip.mkv"
    t2v("--out", clip, "--lora", f"{lora}:0.5")
    again(clip)
    moved = lora.rename(tmp_path / "moved.safetensors")
    with pytest.raises(
        WeightsError, match=r"'style\.safetensors' with sha256 \w{16}\.\.\.; name it with --lora"
    ):
        again(clip)
    again(clip, "--lora", moved)
    assert capsys.readouterr().out.count("made again, bit for bit") == 2


def test_a_lora_that_changed_is_refused(lora, tmp_path):
    clip, tensors = tmp_path / "clip.mkv", load_file(lora)
    t2v("--out", clip, "--lora", lora)
    save_file({key: tensor * 1.01 for key, tensor in tensors.items()}, lora)
    for argv in ([clip], [clip, "--lora", lora]):
        with pytest.raises(WeightsError, match="is not here, or has changed since"):
            again(*argv)


def test_a_lora_for_a_clip_that_had_none_is_refused(lora, tmp_path):
    t2v("--out", tmp_path / "clip.mkv")
    with pytest.raises(InputError, match="was made without a LoRA"):
        again(tmp_path / "clip.mkv", "--lora", lora)


# -- lora show and convert ---------------------------------------------------------------------------------


def test_show_says_what_a_file_is_and_which_models_have_its_layers(lora, capsys):
    main(["show", str(lora)])
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["layout"] == "kohya"
    assert (lines["rank"], lines["alpha"], lines["dtype"]) == ("4", "2", "float32")
    assert lines["layers"].startswith("13")
    assert lines["house/tiny"] == "fits: 18 keys matched, 0 unmatched"
    assert "maps 32 to 32" in lines["starter"]
    assert "3072 to 3072" in lines["hunyuanvideo"]


def test_show_holds_a_file_against_the_model_that_is_named(lora, tmp_path, capsys):
    main(["show", str(lora), "--model", "house/tiny"])
    assert "hunyuanvideo" not in capsys.readouterr().out
    with pytest.raises(WeightsError, match="of another model"):
        main(["show", str(lora), "--model", "starter"])


@pytest.mark.parametrize("layout", ["diffusers", "official", "kohya"])
def test_a_converted_lora_makes_the_same_clip(lora, layout, tmp_path):
    target = tmp_path / "new.safetensors"
    main(["convert", str(lora), str(target), "--to", layout])
    t2v("--out", tmp_path / "a.mkv", "--lora", lora)
    t2v("--out", tmp_path / "b.mkv", "--lora", target)
    assert raw(tmp_path / "a.mkv") == raw(tmp_path / "b.mkv")


def test_an_existing_file_is_replaced_only_when_asked(lora, tmp_path, capsys):
    target = tmp_path / "there.safetensors"
    target.write_bytes(b"precious")
    with pytest.raises(InputError, match="exists: give another name, or --overwrite"):
        main(["convert", str(lora), str(target), "--to", "official"])
    assert target.read_bytes() == b"precious"
    main(["convert", str(lora), str(target), "--to", "official", "--overwrite"])
    assert Path(capsys.readouterr().out.strip()) == target
    assert len(load_file(target)) == 18


def test_what_is_left_out_is_said(lora, tmp_path, capsys):
    extra = {"lora_te1_x.lora_down.weight": torch.ones(1, 2), "lora_te1_x.lora_up.weight": torch.ones(2, 1)}
    save_file({**load_file(lora), **extra}, tmp_path / "more.safetensors")
    main(
        [
            "convert",
            str(tmp_path / "more.safetensors"),
            str(tmp_path / "less.safetensors"),
            "--to",
            "diffusers",
        ]
    )
    assert "left out" in (said := capsys.readouterr().err)
    assert "lora_te1_x" in said


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["convert", "a", "b", "--to", "official"], r"b must end in \.safetensors"),
        (["convert", "a", "b.safetensors", "--to", "comfy"], "invalid choice: 'comfy'"),
        (["shwo"], r"unknown action 'shwo' \(did you mean show\?\)"),
    ],
)
def test_a_wrong_command_line_is_refused(argv, words):
    with pytest.raises(InputError, match=words):
        main(argv)
