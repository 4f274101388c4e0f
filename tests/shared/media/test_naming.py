from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InputError
from shared.media.naming import Output, sheet_path, slug


def test_files_have_readable_names_and_are_never_replaced(tmp_path):
    output = Output.plan(tmp_path / "new", None, several=False)
    names = []
    for _ in range(3):
        path = output.path("A red circle, moving right!", 7, frames=17)
        path.parent.mkdir(exist_ok=True)
        path.touch()
        names.append(path.name)
    stem = "a-red-circle-moving-right-seed7"
    assert names == [f"{stem}.mp4", f"{stem}-2.mp4", f"{stem}-3.mp4"]


@pytest.mark.parametrize(
    ("format", "frames", "name"),
    [(None, 1, "x-seed0.png"), ("gif", 5, "x-seed0.gif"), ("png", 1, "x-seed0.png"), ("png", 5, "x-seed0")],
)
def test_the_format_decides_the_name(tmp_path, format, frames, name):
    assert Output.plan(tmp_path, format, several=False).path("x", 0, frames) == tmp_path / name


def test_an_explicit_file_is_replaced_aloud(tmp_path, capsys):
    (tmp_path / "demo.mp4").touch()
    output = Output.plan(tmp_path / "demo.mp4", None, several=False)
    assert output.path("x", 0, 17) == tmp_path / "demo.mp4"
    assert "is replaced" in capsys.readouterr().err


def test_several_clips_for_one_name_are_numbered(tmp_path):
    output = Output.plan(tmp_path / "demo.mp4", None, several=True)
    (tmp_path / "demo-1.mp4").touch()
    assert output.path("x", 0, 17) == tmp_path / "demo-2.mp4"


@pytest.mark.parametrize(
    ("name", "format", "words"),
    [("a.webm", None, r"\.mp4, \.mkv, \.gif or \.png"), ("a.mp4", "gif", "is no gif file")],
)
def test_a_name_that_cannot_be_is_refused_early(tmp_path, name, format, words):
    with pytest.raises(InputError, match=words):
        Output.plan(tmp_path / name, format, several=False)


def test_several_frames_for_an_explicit_png_are_refused(tmp_path):
    with pytest.raises(InputError, match="one frame and the clip has 5"):
        Output.plan(tmp_path / "a.png", None, several=False).path("x", 0, 5)


def test_a_place_that_takes_no_files_is_refused_early(tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file" / "folder", Path("/proc/clips")):
        with pytest.raises(InputError, match="cannot be written"):
            Output.plan(place, None, several=False)


def test_planning_writes_nothing(tmp_path):
    Output.plan(tmp_path / "new" / "deep", None, several=False)
    assert list(tmp_path.iterdir()) == []


@given(st.text("aZé圆ß🎈_-./\\ \n\0", max_size=120))
def test_every_prompt_makes_a_name_that_a_file_can_have(prompt):
    name = slug(prompt)
    assert 0 < len(name.encode()) <= 60
    assert "/" not in name
    assert not name.startswith((".", "-"))


def test_a_sheet_lies_beside_its_clip():
    assert sheet_path(Path("outputs/demo.mp4")) == Path("outputs/demo-sheet.png")
