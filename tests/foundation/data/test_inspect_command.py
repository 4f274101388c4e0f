"""`kinora data inspect FOLDER`."""

import sys

import pytest

from apps import cli
from foundation.data.cli import main
from shared.errors import InputError


@pytest.fixture
def folder(media):
    media.clip("long.mkv", frames=61, fps=24.0)
    media.clip("short.mkv", frames=9)
    media.clip("wide.mkv", frames=17, size=(64, 36))
    media.clip("slow.mkv", frames=9, fps=4.0)
    media.picture("still.png")
    media.clip("tiny.mkv", size=(16, 16))
    media.clip("brief.mkv", frames=3)
    media.clip("mute.mkv", caption=None)
    (media.root / "broken.mp4").write_bytes(b"")
    media.captioned(media.root / "broken.mp4", "a clip")
    return media.root


def test_the_table_says_what_of_each_bucket_is_kept(folder, capsys):
    main(["inspect", str(folder), "--size", "32x32"])
    lines = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    rows = {row[0]: [cell.strip() for cell in row[1:] if cell.strip()] for row in lines}
    assert rows["17 frames, 32x32"] == ["2", "2", "17 of 9 to 61", "8 fps of 4 to 24"]
    assert rows["9 frames, 32x32"] == ["1", "1", "9 of 9", "8 fps of 8"]
    assert rows["pictures, 32x32"] == ["1", "1", "-", "-"]
    assert ["1 of them slower than 8 fps: some of their frames come twice"] in lines
    assert ["rejected: 4"] in lines


def test_every_rejected_file_has_its_reason_on_one_line(folder, capsys):
    main(["inspect", str(folder), "--size", "32x32"])
    rejected = capsys.readouterr().out.split("rejected: 4\n")[1].splitlines()
    found = {line.split()[0]: line for line in rejected}
    assert "0 bytes" in found["broken.mp4"]
    assert "too short" in found["brief.mkv"]
    assert "no caption" in found["mute.mkv"]
    assert "too small" in found["tiny.mkv"]
    assert len(rejected) == 4


def test_files_lists_each_clip_with_its_bucket_frames_and_rate(folder, capsys):
    main(["inspect", str(folder), "--size", "32x32", "--files"])
    last = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()[-5:]]
    assert "long.mkv 17 frames, 32x32 17 of 61 8 fps of 24" in last
    assert "still.png pictures, 32x32 - -" in last


def test_a_name_that_would_steer_the_terminal_is_escaped(media, capsys):
    media.clip("a\x1b[31m.mkv", caption=None)
    media.clip("b.mkv")
    main(["inspect", str(media.root), "--size", "32x32"])
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("files", "reason"),
    [([], "there is no clip or picture in it"), (["a.mp4"], "every file in it is rejected")],
)
def test_a_folder_with_nothing_to_train_on_ends_with_exit_code_2(media, monkeypatch, capsys, files, reason):
    for name in files:
        (media.root / name).write_bytes(b"")
    monkeypatch.setattr(sys, "argv", ["kinora", "data", "inspect", str(media.root)])
    assert cli.main() == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (["inspct"], "did you mean inspect"),
        (["inspect", "nowhere"], "does not exist"),
        (["inspect", ".", "--frames", "16"], "the nearest are 13 and 17"),
        (["inspect", ".", "--size", "60x60"], "multiples of 16"),
        (["inspect", ".", "--fps", "0"], "fps must be 1 to 120"),
        (["inspect"], "required: folder"),
    ],
)
def test_a_command_line_that_is_wrong_is_refused(argv, reason):
    with pytest.raises(InputError, match=reason):
        main(argv)
