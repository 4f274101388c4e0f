"""`kinora rerun`: a receipt makes its clip again, and is trusted in nothing else."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from foundation.rerun import rerun
from foundation.t2v import cli
from shared.errors import CheckFailed, InputError, WeightsError
from shared.receipts import read_receipt, verify
from shared.results import Clip, read_clip

T2V = {"t2v": "foundation.t2v.cli"}


@pytest.fixture(scope="module", autouse=True)
def models(model_folder, tmp_path_factory):
    """A machine on which the tiny model has a name; its hashes are kept in a cache of the tests' own."""
    home = tmp_path_factory.mktemp("models")
    shutil.copytree(model_folder, home / "house" / "tiny")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("KINORA_MODELS", str(home))
        patched.setenv("KINORA_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield home


def t2v(*argv):
    cli.main([str(word) for word in argv])


@pytest.fixture(scope="module")
def made(tmp_path_factory, models):
    """A clip that keeps every pixel, and one that does not."""
    folder = tmp_path_factory.mktemp("made")
    for name in ("clip.mkv", "clip.mp4"):
        t2v("--prompt", "a red circle", "--seed", 7, "--model", "house/tiny", "--out", folder / name)
    return folder


@pytest.fixture
def clip(made, tmp_path):
    return Path(shutil.copy(made / "clip.mkv", tmp_path))


def again(*argv):
    rerun.main([str(word) for word in argv], T2V)


def rewritten(path, **changes):
    """A file with another receipt, sealed as if Kinora had written it."""
    receipt = {**read_receipt(path), **changes}
    own = {
        key: receipt[key]
        for key in ("command", "request", "runtime", "seed", "weights_sha256")
        if key in receipt
    }
    kept = {key: value for key, value in own.items() if value is not None}
    return Clip(read_clip(path).frames, receipt["picture"]["fps"], kept).save(path)


def test_a_receipt_says_where_the_clip_was_made(clip):
    assert read_receipt(clip)["runtime"] == {
        "device": "cpu",
        "dtype": "float32",
        "threads": torch.get_num_threads(),
        "processor": read_receipt(clip)["runtime"]["processor"],
    }


@pytest.mark.parametrize("name", ["clip.mkv", "clip.mp4"])
def test_a_clip_is_made_again_bit_for_bit(made, name, capsys):
    again(made / name)
    assert capsys.readouterr().out.strip().endswith("was made again, bit for bit")


def test_the_new_clip_can_be_kept(clip, tmp_path, capsys):
    again(clip, "--out", tmp_path / "new")
    path = Path(capsys.readouterr().out.split("\n")[0])
    assert path == tmp_path / "new" / "a-red-circle-seed7.mp4"
    assert verify(path).holds
    assert read_receipt(path)["raw_frames_sha256"] == read_receipt(clip)["raw_frames_sha256"]


def test_without_out_nothing_is_written(clip, tmp_path):
    again(clip)
    assert [path.name for path in tmp_path.iterdir()] == [clip.name]


def test_the_recorded_number_of_threads_is_used(clip, monkeypatch):
    asked = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    again(clip)
    assert asked == [read_receipt(clip)["runtime"]["threads"]]


def test_other_frames_are_told_apart_by_how_much_and_by_what_is_different(clip):
    receipt = read_receipt(clip)
    runtime = {**receipt["runtime"], "processor": "abacus"}
    rewritten(clip, request={**receipt["request"], "steps": 3}, runtime=runtime)
    with pytest.raises(
        CheckFailed, match=r"by \d+ of 255 levels at most, PSNR [\d.]+ dB; processor 'abacus' there"
    ):
        again(clip)


def test_a_file_with_losses_cannot_tell_how_far(made, tmp_path, models):
    path = Path(shutil.copy(made / "clip.mp4", tmp_path))
    rewritten(path)  # its frames are now those that H.264 gave back
    with pytest.raises(CheckFailed, match=r"cannot be told.*MKV and PNG do.*the same here as there"):
        again(path)


def test_an_edited_receipt_is_not_followed(clip):
    clip.write_bytes(clip.read_bytes().replace(b'"seed":7', b'"seed":8'))
    with pytest.raises(CheckFailed, match="its receipt changed"):
        again(clip)


def test_a_clip_whose_picture_broke_is_made_again(made, tmp_path, capsys):
    broken = Path(shutil.copy(made / "clip.mp4", tmp_path))
    data = bytearray(broken.read_bytes())
    data[-20] ^= 1  # the media data stand last
    broken.write_bytes(data)
    again(broken, "--out", tmp_path / "whole.mp4")
    printed = capsys.readouterr()
    assert "its picture changed" in printed.err
    assert "bit for bit" in printed.out
    assert verify(tmp_path / "whole.mp4").holds


def test_paths_and_models_of_a_stranger_are_ignored(clip, tmp_path):
    trap = {"prompts": "/etc/passwd", "out": str(tmp_path / "trap.mp4"), "model": "/nowhere", "count": 9}
    rewritten(clip, request={**read_receipt(clip)["request"], **trap})
    again(clip)
    assert [path.name for path in tmp_path.iterdir()] == [clip.name]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"command": None}, "has no command"),
        ({"request": None}, "has no request"),
        ({"seed": None}, "has no seed"),
        ({"weights_sha256": {}}, "has no weights_sha256"),
        ({"command": "os.system"}, "was made by 'os.system'"),
        ({"request": {"prompt": "a", "_target_": "os.system"}}, "unknown setting '_target_'"),
        ({"request": {"prompt": "a", "steps": 10**9}}, "steps must be 1 to 1000"),
        ({"request": {"negative_prompt": "a"}}, "give either prompt or prompts"),
        ({"runtime": {"device": "tpu", "dtype": "float32", "threads": 1, "processor": ""}}, "device: wanted"),
    ],
)
def test_a_receipt_that_says_too_little_or_too_much_is_refused(clip, changes, words):
    rewritten(clip, **changes)
    with pytest.raises(InputError, match=words):
        again(clip)


def test_absurd_thread_counts_are_left_out(clip, monkeypatch):
    rewritten(clip, runtime={**read_receipt(clip)["runtime"], "threads": 10**9})
    monkeypatch.setattr(torch, "set_num_threads", lambda _: pytest.fail("a stranger's number was used"))
    again(clip)


def test_a_device_that_is_not_here_is_replaced_aloud(clip, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    receipt = read_receipt(clip)
    runtime = {**receipt["runtime"], "device": "cuda", "processor": "H200"}
    rewritten(clip, runtime=runtime, request={**receipt["request"], "offload": "group"})
    again(clip)
    assert "made on H200 (cuda), which is not here; made again on cpu" in capsys.readouterr().err


def test_missing_weights_are_named(clip):
    rewritten(
        clip, weights_sha256={**read_receipt(clip)["weights_sha256"], "transformer/x.safetensors": "ab" * 32}
    )
    with pytest.raises(
        WeightsError, match=r"no model here has.*transformer/x\.safetensors.*abababab.*--model"
    ):
        again(clip)
    with pytest.raises(WeightsError, match="house/tiny has not"):
        again(clip, "--model", "house/tiny")


def test_a_named_model_needs_no_search(clip, model_folder, monkeypatch):
    monkeypatch.setattr("foundation.checkpoints.registry.here", lambda: pytest.fail("searched"))
    again(clip, "--model", model_folder)


def test_a_transformers_file_takes_the_rest_from_its_base(models, model_folder, tmp_path, capsys):
    file = shutil.copy(
        model_folder / "transformer" / "diffusion_pytorch_model.safetensors", tmp_path / "own.safetensors"
    )
    shutil.copy(model_folder / "transformer" / "config.json", tmp_path)
    t2v("--prompt", "a", "--seed", 1, "--model", file, "--base", "house/tiny", "--out", tmp_path / "a.mkv")
    again(tmp_path / "a.mkv", "--model", file, "--base", "house/tiny")
    assert "bit for bit" in capsys.readouterr().out


def test_an_app_brings_its_own_clips(clip, monkeypatch):
    rewritten(clip, command="i2v")
    with pytest.raises(InputError, match="what is made again is t2v"):
        again(clip)
    rerun.main([str(clip)], {**T2V, "i2v": "foundation.t2v.cli"})


def test_a_clip_of_another_program_has_nothing_to_go_by(tmp_path):
    from PIL import Image

    Image.fromarray(np.arange(768, dtype=np.uint8).reshape(16, 16, 3)).save(tmp_path / "other.png")
    with pytest.raises(InputError, match="no receipt of Kinora's"):
        again(tmp_path / "other.png")
