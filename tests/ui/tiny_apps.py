"""The tiny model folders of the apps' own tests, as fixtures for tests of all apps together."""

import importlib.util
from pathlib import Path

from tiny_folders import model_folder, starter_folder

APPS = Path(__file__).parents[1] / "apps"


def _fixtures_of(app):
    spec = importlib.util.spec_from_file_location(f"fixtures_of_{app}", APPS / app / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


i2v_folder = _fixtures_of("i2v").i2v_folder
sound_folder = _fixtures_of("v2a").sound_folder

__all__ = ["i2v_folder", "model_folder", "sound_folder", "starter_folder"]
