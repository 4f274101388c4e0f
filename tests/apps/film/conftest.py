"""Films of models that make noise at once."""

import pytest
from fake_models import STORY, Fake, install, write_model, write_sound_model

from apps.film import cli


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A folder of models that need no torch."""
    install(monkeypatch)
    return write_sound_model(write_model(tmp_path / "model"))


@pytest.fixture
def place(tmp_path):
    """A folder with the scene file `story.yaml`."""
    (tmp_path / "story.yaml").write_text(STORY)
    return tmp_path


@pytest.fixture
def film(place, model, capsys):
    """Runs the command; gives what was printed, and what the models were asked for."""

    def make(*argv, out="film.mp4"):
        Fake.calls.clear(), Fake.loads.clear()
        flags = ["--model", str(model), "--sound-model", str(model)]
        cli.main([*map(str, argv), "--out", str(place / out), *flags])
        return capsys.readouterr()

    return make
