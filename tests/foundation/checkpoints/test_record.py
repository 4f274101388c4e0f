"""Hashes are kept, and a byte that flips after the first record is named."""

import os

import pytest
import torch
from safetensors.torch import save_file

from foundation.checkpoints import hashes as record_module
from foundation.checkpoints.cli import main
from foundation.checkpoints.hashes import cache_folder, folder_sha256, open_record
from shared.errors import CheckFailed


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KINORA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "transformer"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    save_file({"a": torch.arange(100.0)}, folder / "one.safetensors")
    save_file({"b": torch.arange(200.0)}, folder / "two.safetensors")
    return folder


@pytest.fixture
def hashed(monkeypatch):
    """The files that were read to be hashed."""
    seen, hash_file = [], record_module.file_sha256
    monkeypatch.setattr(record_module, "file_sha256", lambda path: seen.append(path.name) or hash_file(path))
    return seen


def flip(path, place=-1, keep_time=False):
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    if keep_time:
        os.utime(path, ns=times)


def test_files_are_hashed_once_and_again_when_they_change(folder, hashed):
    first = folder_sha256(folder)
    assert folder_sha256(folder) == first
    assert hashed == ["one.safetensors", "two.safetensors"]
    flip(folder / "two.safetensors")
    second = folder_sha256(folder)
    assert hashed[2:] == ["two.safetensors"]
    assert second["one.safetensors"] == first["one.safetensors"]
    assert second["two.safetensors"] != first["two.safetensors"]


@pytest.mark.parametrize("keep_time", [False, True])
@pytest.mark.parametrize("run_between", [False, True])
@pytest.mark.parametrize("place", [-1, -300])
def test_a_byte_flipped_after_the_first_record_is_named(folder, capsys, keep_time, run_between, place):
    main(["check", str(folder)])
    assert capsys.readouterr().out.count("recorded") == 2
    flip(folder / "two.safetensors", place, keep_time)
    if run_between:
        folder_sha256(folder)
    for _ in range(2):
        with pytest.raises(CheckFailed, match=r"two\.safetensors of .* \(changed\)") as refusal:
            main(["check", str(folder)])
    assert refusal.value.exit_code == 3
    assert "one.safetensors" not in str(refusal.value)
    main(["check", str(folder), "--accept"])
    main(["check", str(folder)])


def test_a_cut_file_is_named_even_when_it_was_never_recorded(folder):
    path = folder / "one.safetensors"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(CheckFailed, match=r"one\.safetensors of .* \(damaged\)"):
        main(["check", str(folder)])


@pytest.mark.parametrize("content", ["", "[1]", '{"a": 1}', '{"a": {"size": 1}}', "{"])
def test_a_damaged_record_is_begun_anew(folder, cache, content):
    first = folder_sha256(folder)
    (cache / "sha256.json").write_text(content)
    assert folder_sha256(folder) == first


def test_a_place_that_takes_no_record_costs_only_time(folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KINORA_CACHE", str(tmp_path / "file" / "cache"))
    assert folder_sha256(folder) == folder_sha256(folder)


def test_the_place_of_the_record(monkeypatch, tmp_path, cache):
    assert cache_folder() == cache
    monkeypatch.delenv("KINORA_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "kinora"


def test_nothing_is_written_when_nothing_was_added(folder, cache):
    folder_sha256(folder)
    before = (cache / "sha256.json").stat().st_mtime_ns
    with open_record() as record:
        record.sha256(folder / "one.safetensors")
    assert (cache / "sha256.json").stat().st_mtime_ns == before
