import sys
from shutil import copytree

import pytest
import torch

from foundation import VideoTransformer, add_lora, save_lora
from foundation.evaluation.cli import main
from foundation.evaluation.report import Scores
from shared.errors import CheckFailed, InputError, WeightsError


def test_help_names_every_evaluation(capsys):
    main([])
    text = capsys.readouterr().out
    assert all(f"  {name} " in text for name in ("vae", "text", "t2v"))


def test_an_unknown_evaluation_is_refused_with_a_suggestion():
    with pytest.raises(InputError, match=r"unknown evaluation 't2w' \(did you mean t2v\?\)"):
        main(["t2w"])


@pytest.mark.slow
def test_reconstructions_are_judged_and_a_low_share_fails_the_check(capsys):
    with pytest.raises(CheckFailed, match="below 1"):
        main(["vae", "--count", "2", "--fail-under", "1"])
    table = capsys.readouterr().out
    assert "| scenes, rendered | 100.0% |" in table
    assert "PSNR of puppets (dB)" in table


def test_generated_clips_are_judged_and_shown(capsys, tmp_path):
    sheet = tmp_path / "sheet.png"
    main(["t2v", "--count", "2", "--steps", "1", "--sheet", str(sheet)])
    table = capsys.readouterr().out
    assert all(f"| {world} |" in table for world in ("scenes", "pairs", "cameras", "puppets"))
    assert sheet.stat().st_size > 1000


def test_clips_are_judged_at_the_size_that_was_asked_for(model_folder, tmp_path):
    folder = copytree(model_folder, tmp_path / "model")
    main(["t2v", "--model", str(folder), "--count", "2", "--steps", "1", "--save"])
    main(
        [
            "t2v",
            "--model",
            str(folder),
            "--count",
            "2",
            "--steps",
            "1",
            "--size",
            "48x32",
            "--frames",
            "9",
            "--save",
        ]
    )
    own, other = (Scores.read(folder / "evaluation" / name) for name in ("t2v.json", "t2v-48x32x9.json"))
    assert other.settings == own.settings | {"size": "48x32", "frames": 9}


def test_a_size_that_latents_cannot_have_is_refused():
    with pytest.raises(InputError, match=r"not 60x64; the nearest is 64x64"):
        main(["t2v", "--size", "60x64"])


@pytest.fixture
def adapter(model_folder, tmp_path):
    """The folder of a LoRA for the tiny model."""
    torch.manual_seed(0)
    model = VideoTransformer.from_pretrained(model_folder / "transformer")
    add_lora(model, rank=2)
    save_lora(model, tmp_path / "adapter")
    return tmp_path / "adapter"


def test_loras_are_judged_on_top_of_the_model(model_folder, adapter, monkeypatch, capsys):
    judged = []

    def judge(pipe, *_):
        judged.extend(lora["scale"] for lora in pipe.lora)
        return Scores("t2v", shares={"scenes": {"color": 1.0}})

    monkeypatch.setattr("foundation.evaluation.t2v.evaluate_t2v", judge)
    main(["t2v", "--model", str(model_folder), "--lora", f"{adapter}:0.5", "--lora", str(adapter)])
    said = capsys.readouterr()
    assert judged == [0.5, 1.0]
    assert "| scenes | 100.0% |" in said.out
    assert said.err.count("pytorch_lora_weights.safetensors") == 2


def test_a_lora_that_is_missing_is_refused_before_anything_is_loaded(monkeypatch):
    monkeypatch.setitem(sys.modules, "foundation.t2v.pipeline", None)
    with pytest.raises(WeightsError, match=r"none\.safetensors is missing"):
        main(["t2v", "--lora", "none.safetensors"])


def test_scores_with_a_lora_are_not_kept_as_the_models_own(adapter):
    with pytest.raises(InputError, match="--save keeps the scores of the model alone"):
        main(["t2v", "--save", "--lora", str(adapter)])
