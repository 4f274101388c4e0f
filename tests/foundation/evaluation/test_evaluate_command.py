import pytest

from foundation.evaluation.cli import main
from shared.errors import CheckFailed, InputError


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
    assert "| scenes |" in capsys.readouterr().out
    assert sheet.stat().st_size > 1000
