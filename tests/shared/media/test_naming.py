import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InputError
from shared.media.files import replacing
from shared.media.naming import Output, sheet_path, slug


def test_files_have_readable_names_and_are_never_replaced(tmp_path):
    output = Output.plan(tmp_path / "new", None, several=False)
    names = []
    for _ in range(3):
        with output.reserved("A red circle, moving right!", 7, frames=17) as path:
            path.write_text("a clip")
        names.append(path.name)
    stem = "a-red-circle-moving-right-seed7"
    assert names == [f"{stem}.mp4", f"{stem}-2.mp4", f"{stem}-3.mp4"]


@pytest.mark.parametrize(
    ("format", "frames", "name"),
    [(None, 1, "x-seed0.png"), ("gif", 5, "x-seed0.gif"), ("png", 1, "x-seed0.png"), ("png", 5, "x-seed0")],
)
def test_the_format_decides_the_name(tmp_path, format, frames, name):
    with Output.plan(tmp_path, format, several=False).reserved("x", 0, frames) as path:
        assert path == tmp_path / name


def test_an_explicit_file_is_replaced_aloud(tmp_path, capsys):
    (tmp_path / "demo.mp4").touch()
    output = Output.plan(tmp_path / "demo.mp4", None, several=False)
    with output.reserved("x", 0, 17) as path:
        assert path == tmp_path / "demo.mp4"
    assert "is replaced" in capsys.readouterr().err


def test_several_clips_for_one_name_are_numbered(tmp_path):
    output = Output.plan(tmp_path / "demo.mp4", None, several=True)
    (tmp_path / "demo-1.mp4").touch()
    with output.reserved("x", 0, 17) as path:
        assert path == tmp_path / "demo-2.mp4"


@pytest.mark.parametrize(
    ("name", "format", "words"),
    [("a.webm", None, r"\.mp4, \.mkv, \.gif or \.png"), ("a.mp4", "gif", "is no gif file")],
)
def test_a_name_that_cannot_be_is_refused_early(tmp_path, name, format, words):
    with pytest.raises(InputError, match=words):
        Output.plan(tmp_path / name, format, several=False)


def test_several_frames_for_an_explicit_png_are_refused(tmp_path):
    output = Output.plan(tmp_path / "a.png", None, several=False)
    with pytest.raises(InputError, match="one frame and the clip has 5"), output.reserved("x", 0, 5):
        pass


@pytest.mark.parametrize("format", ["mp4", "png", "wav"])
def test_runs_at_once_each_keep_their_clip(tmp_path, format):
    barrier = threading.Barrier(20)

    def run(number):
        output = Output.plan(tmp_path / "out", format, several=False)
        barrier.wait()
        with output.reserved("x", 0, 5, [sheet_path]) as path, replacing(path) as temporary:
            if format == "png":
                temporary.mkdir()
                (temporary / "receipt.json").write_text(str(number))
            else:
                temporary.write_text(str(number))
        return path

    with ThreadPoolExecutor(20) as pool:
        paths = list(pool.map(run, range(20)))
    assert len(set(paths)) == 20
    for number, path in enumerate(paths):
        assert (path / "receipt.json" if format == "png" else path).read_text() == str(number)
    assert sorted((tmp_path / "out").iterdir()) == sorted(paths)


def test_a_name_is_free_where_all_that_belongs_to_it_is(tmp_path):
    (tmp_path / "x-seed0-sheet.png").write_text("of another clip")
    with Output.plan(tmp_path, "gif", several=False).reserved("x", 0, 5, [sheet_path]) as path:
        assert path.name == "x-seed0-2.gif"
        assert sheet_path(path).exists()


def test_a_run_that_fails_leaves_no_name(tmp_path):
    output = Output.plan(tmp_path / "new" / "deep", None, several=False)
    with pytest.raises(KeyboardInterrupt), output.reserved("x", 0, 5, [sheet_path]) as path:
        assert path.stat().st_size == 0
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_the_system_does_not_take_is_refused_early(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for out in (Path("x" * 300), Path("x" * 250 + ".mp4"), Path("a/" * 2500), Path("~nobody-here/a.mp4")):
        with pytest.raises(InputError) as caught:
            Output.plan(out, None, several=False)
        assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_place_may_be_many_folders_deep(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Output.plan(Path("a/" * 1500), None, several=False).reserved("x", 0, 5) as path:
        with replacing(path) as temporary:
            temporary.write_text("a clip")
        assert path.read_text() == "a clip"
    path.unlink()
    os.removedirs(path.parent)  # level by level, as what cleans up after tests cannot


def test_a_home_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Output.plan(Path("~/clips"), None, several=False).place == tmp_path / "clips"


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
