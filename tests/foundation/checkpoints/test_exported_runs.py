"""Models that training runs of this folder exported have names."""

import json

from foundation.checkpoints.registry import here, locate


def export(folder, app):
    (folder / "model" / "transformer").mkdir(parents=True)
    if app:
        (folder / "model" / "app.json").write_text(
            json.dumps({"app": "t2v", "recipe": "t2v", "base": "starter"})
        )
    return folder / "model"


def test_a_run_is_a_model_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = export(tmp_path / "runs" / "mine", app=True)
    export(tmp_path / "runs" / "lora", app=False)
    (tmp_path / "runs" / "unfinished" / "checkpoints").mkdir(parents=True)
    assert locate("runs/mine").resolve() == model
    assert locate(str(tmp_path / "runs" / "mine")) == model
    assert [name for name in here() if name.startswith("runs/")] == ["runs/mine"]
