"""Both recipes at tiny size: packing, loss on answers alone, resume, and a folder that the backends load."""

import json
import subprocess
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from apps.commands import recipes
from apps.prompt_rewrite import PromptRewriter
from apps.prompt_rewrite.backends import Task
from apps.prompt_rewrite.backends.chat_model import ChatModel
from apps.prompt_rewrite.backends.local import LocalBackend
from apps.prompt_rewrite.backends.starter import StarterBackend, question
from apps.prompt_rewrite.data.packing import IGNORED, Example, encode, pack
from apps.prompt_rewrite.data.pairs import ToyPairs
from apps.prompt_rewrite.evaluation import facts_kept
from apps.prompt_rewrite.model import build_rewriter, chat_tokenizer, rewriter_tokenizer
from apps.prompt_rewrite.training import rewrite, rewrite_lora
from apps.prompt_rewrite.training.config import RewriterSize
from apps.prompt_rewrite.training.objective import AnswerObjective
from foundation.training import cli
from shared.errors import ConfigError, InputError
from shared.toybox.scenes.captions import ActorFacts, SceneFacts

TINY = ["model.vocabulary=400", "model.hidden=16", "model.layers=1", "model.heads=2", "model.mlp=16"]
TINY += [
    "data.row=256",
    "data.tokenizer_pairs=60",
    "data.pairs=64",
    "training.batch_size=4",
    "training.precision='no'",
]


def train(name, *overrides):
    cli.main([name, *overrides], recipes())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A rewriter of two steps: what it says means nothing."""
    place = tmp_path_factory.mktemp("rewriter")
    train("rewrite", *TINY, "training.steps=2", f"training.output={place}/run", f"export={place}/model")
    return place / "model" / "prompt_rewrite"


@pytest.fixture(scope="module")
def tokenizer():
    texts = ["a red circle moves right normal master", "右に動く赤い円", "un círculo rojo"] * 5
    return chat_tokenizer(rewriter_tokenizer(texts, 400), 256)


@pytest.fixture(scope="module")
def model(tokenizer):
    torch.manual_seed(0)
    return build_rewriter(RewriterSize(400, 16, 2, 2, 16, 256), tokenizer).eval()


def test_the_recipe_writes_a_folder_that_the_starter_answers_from(folder):
    runs = json.loads((folder / "training.json").read_text())
    assert (runs[0]["recipe"], runs[0]["training"]["steps"]) == ("rewrite", 2)
    chat, pieces = ChatModel.load(folder), []
    asked = question("a red circle moves right", "normal")
    answer = chat.answer(asked, 20, pieces.append)
    assert "".join(pieces).split() == answer.split()
    assert chat.answer(asked, 20, seed=1) == chat.answer(asked, 20, seed=1) != answer


def test_an_untrained_model_never_changes_what_was_asked(folder):
    rewrite = PromptRewriter(StarterBackend(folder), rounds=1)(
        "a red circle moves right on a black background"
    )
    assert rewrite.is_unchanged
    assert rewrite.changes[0].startswith("unchanged")


def test_the_shipped_size_stays_within_its_budget(tokenizer):
    with torch.device("meta"):
        model = build_rewriter(RewriterSize(), tokenizer)
    weights = sum(parameter.numel() for parameter in model.parameters())
    assert weights <= 1_500_000
    assert 2 * weights <= 3 * 2**20


def test_what_is_trained_is_what_is_asked_in_use(tokenizer):
    example = encode(tokenizer, question("Ein roter Kreis", "master"), "a red circle")
    asked = tokenizer.apply_chat_template(
        question("Ein roter Kreis", "master"), add_generation_prompt=True, return_dict=True
    )["input_ids"]
    assert example.tokens[: example.start] == asked
    assert tokenizer.decode(example.tokens[example.start :]) == "a red circle<|eot_id|>"


def test_rows_hold_every_example_once_and_train_answers_alone():
    examples = [Example(list(range(10, 10 + size)), 2) for size in (5, 3, 4, 6)]
    batch = pack(examples, 9, pad=0)
    assert batch["ids"].shape == (2, 9)
    assert sorted(batch["ids"][batch["ids"] > 0].tolist()) == sorted(t for e in examples for t in e.tokens)
    answers = sorted(t for e in examples for t in e.tokens[2:])
    assert sorted(batch["labels"][batch["labels"] != IGNORED].tolist()) == answers
    with pytest.raises(InputError, match="a row 4"):
        pack(examples, 4, pad=0)


def test_packed_examples_do_not_see_each_other(model, tokenizer):
    examples = [Example([9, 8, 7, 6, 5], 2), Example([4, 5, 6], 1)]
    batch = pack(examples, 10, pad=0)
    with torch.no_grad():
        packed = model(input_ids=batch["ids"], position_ids=batch["positions"], use_cache=False).logits[0]
        alone = [model(input_ids=torch.tensor([example.tokens])).logits[0] for example in examples]
    torch.testing.assert_close(packed[:8], torch.cat(alone), atol=1e-5, rtol=1e-4)


def test_the_loss_is_that_of_the_answers(model):
    example = Example([9, 8, 7, 6, 5], 3)
    loss, _ = AnswerObjective(model)(pack([example], 8, pad=0))
    logits = model(input_ids=torch.tensor([example.tokens])).logits[0]
    wanted = torch.nn.functional.cross_entropy(logits[2:4], torch.tensor([6, 5]))
    torch.testing.assert_close(loss, wanted)


def test_a_batch_belongs_to_its_generators_alone(tokenizer):
    samples = ToyPairs(tokenizer, 512, 8)
    first, again = (samples.batch([0, 1], [np.random.default_rng(s) for s in (1, 2)]) for _ in range(2))
    assert all(torch.equal(first[key], again[key]) for key in first)


@pytest.fixture
def adapting(folder, tmp_path):
    """Settings of an adapter for the tiny rewriter, on four pairs."""
    pairs = tmp_path / "pairs.jsonl"
    pair = {"prompt": "three wolves run", "rewrite": "Three wolves run fast.", "mode": "normal"}
    pairs.write_text(
        "".join(json.dumps({**pair, "prompt": f"three wolves run {n}"}) + "\n" for n in range(4))
    )
    settings = [f"model={folder}", f"data.pairs={pairs}", "adapter.rank=2", "training.batch_size=2"]
    return [*settings, "training.precision='no'", "training.warmup=1", "training.decay=0.0"]


def test_an_adapter_learns_pairs_resumes_and_is_loaded(adapting, tmp_path):
    def adapter(name, *steps):
        for number in steps:
            output = f"training.output={tmp_path}/{name}"
            train(
                "rewrite_lora", *adapting, output, f"export={tmp_path}/{name}/out", f"training.steps={number}"
            )
        return tmp_path / name / "out"

    whole, resumed = adapter("whole", 3), adapter("resumed", 1, 3)
    first, second = (load_file(place / "adapter_model.safetensors") for place in (whole, resumed))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(value.abs().sum() > 0 for key, value in first.items() if "lora_B" in key)
    backend = LocalBackend(str(whole))
    backend._chat = ChatModel.load(whole)
    backend._chat.model.config.max_position_embeddings = 4096
    assert isinstance(backend.propose(Task("three wolves run", "normal")), str)
    backend.close()
    assert backend._chat is None


def test_other_processes_than_the_main_one_write_no_folder(adapting, tmp_path, monkeypatch):
    other = SimpleNamespace(is_main_process=False, main_process_first=nullcontext)
    for module in (rewrite, rewrite_lora):
        monkeypatch.setattr(module, "processes", lambda: other)
    for name, settings in (("rewrite", TINY), ("rewrite_lora", adapting)):
        output = f"training.output={tmp_path}/{name}"
        train(name, *settings, output, f"export={tmp_path}/out", "training.steps=1")
        assert (tmp_path / name / "checkpoints").exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rewrite", "rewrite_lora"])
def test_two_processes_train_what_one_of_them_writes(name, adapting, tmp_path):
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    settings = [*(TINY if name == "rewrite" else adapting), f"training.output={tmp_path}/run"]
    command = ["-m", "apps.cli", "train", name, *settings, f"export={tmp_path}/out", "training.steps=2"]
    subprocess.run([*launch, *command], check=True, timeout=400)
    if name == "rewrite":
        assert ChatModel.load(tmp_path / "out" / "prompt_rewrite").tokenizer.chat_template
    else:
        assert load_file(tmp_path / "out" / "adapter_model.safetensors")


def test_an_adapter_needs_a_model_and_pairs():
    with pytest.raises(ConfigError, match="model=FOLDER"):
        train("rewrite_lora")


def test_the_judge_sees_what_a_rewrite_lost():
    scene = SceneFacts((ActorFacts("red", "circle", "right"), ActorFacts("blue", "star", "spin")), "gray")
    text = "a red circle moves left and a blue star spins on a gray background"
    lost = [name for name, kept in facts_kept(scene, text).items() if not kept]
    assert lost == ["motion"]
    assert not any(facts_kept(scene, "un círculo rojo").values())
