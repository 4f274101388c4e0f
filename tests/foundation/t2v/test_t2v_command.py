import json
import subprocess
import sys
import types
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from safetensors.numpy import save_file

from foundation.checkpoints.defaults import ModelDefaults
from foundation.checkpoints.lora.source import Lora
from foundation.runtime import preflight
from foundation.t2v import cli
from shared.config import Size
from shared.errors import InputError
from shared.receipts import read_receipt, verify
from shared.results import Clip, read_clip


class FakePipeline:
    """Noise of the asked size; what was asked is kept in `calls`."""

    defaults = ModelDefaults(fps=8, size=Size(32, 16), frames=5, steps=3, shift=3.0, cfg=4.0, guidance=None)
    calls: ClassVar[list] = []

    @classmethod
    def from_pretrained(cls, model, *, base=None, own=None, lora=(), note=None, **runtime):
        cls.calls.clear()
        cls.loaded, cls.lora, cls.own = (model, runtime), lora, own
        return cls()

    def __call__(self, prompt, *, seed, size, frames, steps, on_step, note, **settings):
        self.calls.append(
            {"prompt": prompt, "seed": seed, "size": size, "frames": frames, "steps": steps, **settings}
        )
        for step in range(steps):
            on_step(step, None, None)
        pixels = np.random.default_rng(seed).integers(0, 256, (frames, size.height, size.width, 3), np.uint8)
        return Clip(
            pixels, self.defaults.fps, {"weights_sha256": {"transformer": "ab" * 32}, "device": "cpu"}
        )


@pytest.fixture(autouse=True)
def pipeline(monkeypatch):
    module = types.ModuleType("foundation.t2v.pipeline")
    module.TextToVideoPipeline = FakePipeline
    monkeypatch.setitem(sys.modules, "foundation.t2v.pipeline", module)
    monkeypatch.setattr(cli, "find_parts", lambda *_, **__: None)
    monkeypatch.setattr(cli, "check_memory", lambda *_: None)
    monkeypatch.setattr(cli, "describe_unknown", lambda *_: None)
    monkeypatch.setattr(preflight, "has_gpu_driver", lambda: True)


def t2v(*argv):
    cli.main([str(word) for word in argv])


def test_a_sentence_becomes_a_clip_with_its_receipt(tmp_path, capsys):
    t2v("--prompt", "a red circle", "--seed", 7, "--out", tmp_path)
    printed = capsys.readouterr()
    path = Path(printed.out.strip())
    assert path == tmp_path / "a-red-circle-seed7.mp4"
    assert read_clip(path).frames.shape == (5, 16, 32, 3)
    receipt = read_receipt(path)
    assert receipt["command"] == "t2v"
    assert receipt["seed"] == 7
    assert receipt["weights_sha256"] == {"transformer": "ab" * 32}
    assert receipt["request"] == {
        "prompt": "a red circle", "negative_prompt": "", "steps": 3, "seed": 7, "size": "32x16", "frames": 5,
        "count": 1, "cfg": 4.0, "shift": 3.0, "model": "starter", "device": "auto", "dtype": "auto",
        "contact_sheet": False, "offload": "none", "quantise": "none", "attention": "auto", "tiling": True,
        "compile": False,
    }  # fmt: skip
    assert verify(path).holds


def test_all_settings_reach_the_pipeline(tmp_path):
    style = tmp_path / "style.safetensors"
    save_file({"x.lora_A.weight": np.ones((1, 1))}, style)
    t2v(
        "--prompt", "a", "--negative-prompt", "b", "--steps", 2, "--seed", 1, "--size", "48x64",
        "--seconds", 1, "--cfg", 2, "--guidance", 6, "--shift", "auto", "--model", "elsewhere",
        "--device", "cuda", "--dtype", "float32", "--offload", "group", "--quantise", "float8",
        "--offload-folder", tmp_path, "--attention", "flash", "--no-tiling", "--compile", "--out", tmp_path / "clips",
        "--lora", style, "--lora", f"{style}:0.5",
        "--vae", "vae.safetensors", "--text-encoder", "llama.safetensors", "--text-encoder-2", "clip.safetensors",
    )  # fmt: skip
    assert FakePipeline.own == {
        "vae": "vae.safetensors", "text_encoder": "llama.safetensors", "text_encoder_2": "clip.safetensors",
    }  # fmt: skip
    assert FakePipeline.lora == (Lora(style), Lora(style, 0.5))
    runtime = {"device": "cuda", "dtype": "float32", "offload": "group", "quantise": "float8"}
    assert FakePipeline.loaded == (
        "elsewhere",
        {**runtime, "attention": "flash", "tiling": False, "compile": True, "offload_folder": tmp_path},
    )
    asked = {"prompt": "a", "negative_prompt": "b", "steps": 2, "seed": 1, "size": Size(48, 64), "frames": 9}
    assert FakePipeline.calls == [{**asked, "cfg": 2.0, "guidance": 6.0, "shift": "auto"}]


def test_adjusted_seconds_and_a_drawn_seed_are_said_aloud(tmp_path, capsys):
    t2v("--prompt", "a", "--seconds", 1, "--out", tmp_path)
    said = capsys.readouterr().err
    assert "1 seconds become 9 frames at 8 fps" in said
    assert "was drawn" in said
    assert f"seed {FakePipeline.calls[0]['seed']} " in said


def test_count_counts_seeds_up_for_every_prompt_of_a_file(tmp_path, capsys):
    (tmp_path / "prompts.txt").write_text("a\n\nb\n")
    t2v("--prompts", tmp_path / "prompts.txt", "--count", 2, "--seed", 5, "--out", tmp_path)
    made = [(call["prompt"], call["seed"]) for call in FakePipeline.calls]
    assert made == [("a", 5), ("a", 6), ("b", 5), ("b", 6)]
    paths = [Path(line) for line in capsys.readouterr().out.split()]
    assert [path.name for path in paths] == ["a-seed5.mp4", "a-seed6.mp4", "b-seed5.mp4", "b-seed6.mp4"]
    assert [read_receipt(path)["request"]["prompt"] for path in paths] == ["a", "a", "b", "b"]


def test_one_frame_makes_a_png(tmp_path):
    t2v("--prompt", "a", "--frames", 1, "--seed", 0, "--out", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a-seed0.png"]


@pytest.mark.parametrize("format", ["mkv", "gif", "png"])
def test_every_format_can_be_asked_for(tmp_path, format):
    t2v("--prompt", "a", "--seed", 0, "--format", format, "--out", tmp_path)
    (path,) = tmp_path.iterdir()
    assert path.name == ("a-seed0" if format == "png" else f"a-seed0.{format}")
    assert verify(path).holds


def test_a_contact_sheet_lies_beside_the_clip(tmp_path, capsys):
    t2v("--prompt", "a", "--seed", 0, "--contact-sheet", "--out", tmp_path / "demo.mp4")
    assert capsys.readouterr().out.split() == [str(tmp_path / "demo.mp4"), str(tmp_path / "demo-sheet.png")]
    assert read_clip(tmp_path / "demo-sheet.png").frames.shape[1] > 16


def test_bad_input_is_refused_before_the_model_is_loaded(tmp_path):
    FakePipeline.loaded = None
    for argv in (
        ["--prompt", ""],
        ["--prompt", "a", "--out", tmp_path / "a.avi"],
        ["--prompts", tmp_path / "none"],
    ):
        with pytest.raises(InputError):
            t2v(*argv)
    assert FakePipeline.loaded is None


def test_an_interruption_leaves_no_file(tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(FakePipeline, "__call__", interrupt)
    with pytest.raises(KeyboardInterrupt):
        t2v("--prompt", "a", "--out", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_module_runs_on_its_own_and_refuses_without_torch():
    script = (
        "import sys; from shared.console import run; from foundation.t2v import cli\n"
        "code = run(cli.main, ['--prompt', 'a', '--steps', '0'])\n"
        "print(code, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["2", "False"]
    assert json.dumps(done.stderr).count("\\n") == 1
