"""The wheel: what people install is complete, the starter weights included, and runs from any folder."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The Python of an environment with the wheel and the packages that it needs, but without this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    environment = folder / "environment"
    venv.create(environment, symlinks=True)
    python = environment / "bin" / "python"
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(environment)}))
    packages.joinpath("others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (wheel,) = folder.glob("*.whl")
    with ZipFile(wheel) as archive:
        archive.extractall(packages)
    return python


def run(python, folder, *words):
    outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [python, *words], cwd=folder, env=outside, capture_output=True, text=True, timeout=600
    )


@pytest.mark.slow
def test_an_installed_wheel_makes_a_clip_with_its_own_weights(installed, tmp_path):
    found = run(installed, tmp_path, "-c", "import apps.cli, foundation; print(foundation.__file__)")
    assert Path(found.stdout.strip()).is_relative_to(installed.parents[1]), found.stderr
    words = [
        "t2v",
        "--prompt",
        "a red circle on a gray background",
        "--frames",
        "1",
        "--steps",
        "2",
        "--out",
        "a.png",
    ]
    made = run(installed, tmp_path, "-m", "apps.cli", *words)
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "a.png").is_file()
    page = run(installed, tmp_path, "-c", "from ui.page.theme import STYLE; print(STYLE.is_file())")
    assert page.stdout.strip() == "True", page.stderr
