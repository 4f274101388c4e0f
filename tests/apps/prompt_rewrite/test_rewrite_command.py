"""`kinora rewrite` and `--rewrite`: what is printed, collected, refused, and written into receipts."""

import json
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from apps.prompt_rewrite import cli
from apps.prompt_rewrite.data.pairs import Pair, read_pairs
from apps.prompt_rewrite.request import RewriterSettings, from_environment
from foundation.checkpoints.defaults import ModelDefaults
from foundation.t2v import cli as t2v
from shared.config import Size
from shared.errors import InputError, ResourceError
from shared.receipts import read_receipt
from shared.results import Clip
from ui.cli import generate

GOOD = "Three orange cats sleep on a roof."
PROMPT = "three orange cats on a roof"
FISHERMAN = "an old fisherman mends his net at dawn"


def rewrite(*argv):
    return cli.main([str(word) for word in argv])


def to_server(url, model="good"):
    return ("--backend", "server", "--url", url, "--model", model)


def test_the_rewrite_alone_goes_to_standard_output(server, capsys):
    rewrite(PROMPT, "--mode", "master", "--diff", *to_server(server))
    printed = capsys.readouterr()
    assert printed.out == GOOD + "\n"
    assert f"- {PROMPT}" in printed.err
    assert "{+" in printed.err


def test_an_unchanged_prompt_is_said_to_be(capsys):
    rewrite("--prompt", FISHERMAN)
    printed = capsys.readouterr()
    assert printed.out == FISHERMAN + "\n"
    assert "unchanged: the starter does not know old, fisherman, mends" in printed.err


def test_a_file_of_prompts_is_rewritten_line_by_line(tmp_path, capsys):
    (tmp_path / "prompts.txt").write_text(f"{FISHERMAN}\n\na cat\n")
    rewrite("--batch", tmp_path / "prompts.txt")
    assert capsys.readouterr().out.splitlines() == [FISHERMAN, "a cat"]


def test_pairs_are_collected_to_train_on(server, tmp_path):
    pairs = tmp_path / "new" / "pairs.jsonl"
    for mode in ("normal", "master"):
        rewrite(PROMPT, "--mode", mode, "--collect", pairs, *to_server(server))
    rewrite(FISHERMAN, "--collect", pairs)  # unchanged: nothing to learn from
    assert read_pairs(pairs) == [Pair(PROMPT, GOOD, "normal"), Pair(PROMPT, GOOD, "master")]


@pytest.mark.parametrize(
    "line",
    ["{", "[1]", '{"prompt": "a"}', '{"prompt": "a", "rewrite": "b", "mode": "poem"}', '{"prompt": 1}'],
)
def test_a_line_that_is_no_pair_is_named(tmp_path, line):
    good = json.dumps({"prompt": "a", "rewrite": "b", "mode": "normal"})
    (tmp_path / "pairs.jsonl").write_text(f"{good}\n{line}\n")
    with pytest.raises(InputError, match="line 2"):
        read_pairs(tmp_path / "pairs.jsonl")


@pytest.mark.parametrize(
    "argv",
    [
        [],
        [""],
        ["a\x1bb"],
        ["x" * 100_000],
        ["a", "--prompt", "b"],
        ["a", "--batch", "b"],
        ["--batch", "nowhere.txt"],
        ["a", "--mode", "poem"],
        ["a", "--into", "French"],
        ["a", "--url", "http://localhost"],
        ["a", "--backend", "server", "--model", "m"],
        ["a", "--backend", "server", "--url", "http://localhost"],
        ["a", "--backend", "server", "--model", "m", "--url", "file:///etc/passwd"],
        ["a", "--backend", "server", "--model", "m", "--url", "http://x:99999999"],
        ["a", "--backend", "server", "--model", "m", "--url", "http://a..b/v1"],
        ["a", "--backend", "server", "--model", "m", "--url", f"http://{'a' * 64}/v1"],
        ["a", "--backend", "server", "--model", "m", "--url", "http://x/\udcff"],
        ["a", "--backend", "local"],
        ["a", "--rounds", "11"],
    ],
)
def test_bad_input_is_refused(argv):
    with pytest.raises(InputError):
        rewrite(*argv)


def test_refusals_and_unknown_words_wait_for_no_model():
    script = (
        "import sys; from shared.console import run; from apps.prompt_rewrite.cli import main\n"
        f"codes = [run(main, argv) for argv in (['--help'], ['a', '--rounds', '-1'], [{FISHERMAN!r}])]\n"
    ).replace("run(main, argv)", "code(argv)")
    script = "def code(argv):\n try: return run(main, argv)\n except SystemExit: return 0\n" + script
    script += "print(codes, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[0, 2, 0] False\n")


def test_address_and_key_come_from_the_environment_for_a_server_only():
    there = {"KINORA_REWRITE_URL": "http://host/v1", "KINORA_REWRITE_KEY": "k"}
    asked = from_environment(RewriterSettings(backend="server", model="m"), there)
    assert (asked.url, asked.key) == ("http://host/v1", "k")
    assert from_environment(RewriterSettings(), there).url is None


class FakePipeline:
    """Noise; the prompts that it was given are kept."""

    defaults = ModelDefaults(fps=8, size=Size(32, 16), frames=5, steps=1, shift=3.0, cfg=4.0, guidance=None)
    prompts: list

    @classmethod
    def from_pretrained(cls, *_, **__):
        cls.prompts = []
        return cls()

    def __call__(self, prompt, *, size, frames, **_):
        self.prompts.append(prompt)
        pixels = np.random.default_rng(0).integers(0, 256, (frames, size.height, size.width, 3), np.uint8)
        return Clip(pixels, 8.0, {})


@pytest.fixture
def video_model(monkeypatch):
    module = types.ModuleType("foundation.t2v.pipeline")
    module.TextToVideoPipeline = FakePipeline
    monkeypatch.setitem(sys.modules, "foundation.t2v.pipeline", module)
    return FakePipeline


def test_a_clip_is_made_from_the_rewrite_and_its_receipt_holds_both(
    server, video_model, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("KINORA_REWRITE_URL", server)
    argv = ["--prompt", PROMPT, "--seed", "1", "--out", str(tmp_path / "a.mp4")]
    generate("t2v", [*argv, "--rewrite", "master", "--rewrite-backend", "server", "--rewrite-model", "good"])
    assert video_model.prompts == [GOOD]
    receipt = read_receipt(tmp_path / "a.mp4")
    assert receipt["request"]["prompt"] == GOOD
    assert "rewrite" not in receipt["request"]
    recorded = receipt["details"]["rewrite"]
    assert (recorded["original"], recorded["text"], recorded["mode"]) == (PROMPT, GOOD, "master")
    assert f"prompt: {GOOD}" in capsys.readouterr().err


def test_prompts_stay_as_they_are_unless_asked(video_model, tmp_path):
    generate("t2v", ["--prompt", PROMPT, "--seed", "1", "--out", str(tmp_path / "a.mp4")])
    assert video_model.prompts == [PROMPT]
    assert "details" not in read_receipt(tmp_path / "a.mp4")


def test_a_failing_rewriter_makes_no_clip_unless_asked(server, video_model, tmp_path, monkeypatch):
    monkeypatch.setenv("KINORA_REWRITE_URL", server)
    argv = ["--prompt", PROMPT, "--seed", "1", "--out", str(tmp_path / "a.mp4"), "--rewrite", "normal"]
    argv += ["--rewrite-backend", "server", "--rewrite-model", "garbage"]
    with pytest.raises(ResourceError):
        generate("t2v", argv)
    assert list(tmp_path.iterdir()) == []
    generate("t2v", [*argv, "--rewrite-fallback"])
    assert video_model.prompts == [PROMPT]


def test_every_setting_of_the_video_model_is_still_taken(video_model, tmp_path, capsys):
    with pytest.raises(SystemExit):
        generate("t2v", ["--help"])
    printed = capsys.readouterr().out
    assert all(flag in printed for flag in ("--prompt", "--steps", "--rewrite ", "--rewrite-backend"))
    with pytest.raises(InputError, match="steps"):
        generate("t2v", ["--prompt", "a", "--steps", "0"])


def test_the_foundation_alone_offers_no_rewrite():
    with pytest.raises(InputError, match="unknown flag"):
        t2v.main(["--prompt", "a", "--rewrite", "normal"])


def test_the_prompts_of_the_evaluation_are_forty_with_nouns():
    from apps.prompt_rewrite.evaluation import outside_prompts

    entries = outside_prompts()
    assert len(entries) == len({entry["prompt"] for entry in entries}) == 40
    assert all(entry["nouns"] for entry in entries)
    for entry in entries:
        for ways in [*entry["nouns"], *entry["numbers"]]:
            assert any(way.lower() in entry["prompt"].lower() for way in ways.split("|")), ways


def test_the_command_is_where_help_says():
    assert Path(cli.__file__).with_name("README.md").is_file()
