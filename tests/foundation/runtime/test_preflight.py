"""Mistakes that are answered before torch is imported."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from foundation.runtime import preflight
from foundation.runtime.preflight import check_machine
from foundation.runtime.settings import RuntimeSettings
from foundation.training import cli
from shared.console import let_threads_sleep
from shared.errors import InputError


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(preflight, "has_gpu_driver", lambda: False)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"device": "cuda"}, "no driver"),
        ({"offload": "group"}, "offload 'group'"),
        ({"quantise": "int8"}, "optimum-quanto"),
    ],
)
def test_what_this_machine_cannot_have_is_refused(settings, message, no_gpu):
    with pytest.raises(InputError, match=message):
        check_machine(RuntimeSettings(**settings))


def test_a_machine_with_a_driver_may_have_a_gpu(monkeypatch):
    monkeypatch.setattr(preflight, "has_gpu_driver", lambda: True)
    check_machine(RuntimeSettings(device="cuda", offload="model"))


@pytest.mark.parametrize(
    "words",
    [
        ["t2v", "--prompt", "x", "--model", "startr"],
        ["v2a", "--prompt", "x", "--model", "startr"],
        ["film", "--prompt", "x", "--model", "startr"],
        ["film", "--prompt", "x", "--sound-model", "startr"],
        *(["evaluate", name, "--model", "startr"] for name in ("t2v", "i2v", "v2a", "vae", "text")),
        ["train", "t2v", "base=startr"],
        ["train", "i2v", "base=startr"],
    ],
)
def test_a_misspelt_model_is_answered_without_torch(words, tmp_path):
    code = (
        f"import sys; sys.argv=['kinora', *{words!r}];"
        "from apps.cli import main; code = main(); print('torch' in sys.modules, code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=tmp_path
    )
    assert done.stdout.split() == ["False", "2"]
    assert "did you mean starter?" in done.stderr


def test_a_missing_folder_of_clips_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="data: 'none' does not exist: name a folder of clips"):
        cli.check_sources(SimpleNamespace(base="starter", data="none"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("own", "expected"),
    [({}, "passive"), ({"OMP_WAIT_POLICY": "active"}, "active"), ({"GOMP_SPINCOUNT": "7"}, None)],
)
def test_idle_threads_sleep_unless_the_user_wants_otherwise(own, expected, monkeypatch):
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    let_threads_sleep()
    assert os.environ.get("OMP_WAIT_POLICY") == expected
