import json
import subprocess
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from foundation.checkpoints.text_encoders import load_text_encoder
from foundation.data.toybox.chats import (
    CaptionSamples,
    Chat,
    ChatCodec,
    ChatSamples,
    EyesSamples,
    draw_chat,
    plain_facts,
    things,
    tokenizer_texts,
)
from foundation.models.text.starter import (
    TEMPLATES,
    build_clip,
    build_mllm,
    chat_tokenizer,
    clip_tokenizer,
    kept_tokenizer,
    save_starter,
    train_tokenizer,
)
from foundation.training.config import StarterSize
from foundation.training.recipes import text as recipe
from foundation.training.text_objectives import (
    BindingObjective,
    Chats,
    ClipObjective,
    EyesObjective,
    LanguageObjective,
    TextLearner,
    rescale,
)
from shared.toybox.mix import toy_clip
from shared.toybox.scenes.sampling import sample_scene

SIZE = StarterSize(
    vocabulary=700,
    hidden=32,
    layers=3,
    heads=2,
    mlp=48,
    clip_hidden=24,
    clip_layers=3,
    clip_heads=2,
    clip_mlp=32,
)


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(tokenizer_texts(60, ["dragon"]), SIZE.vocabulary)


@pytest.fixture(scope="module")
def codec(tokenizer):
    return ChatCodec(tokenizer, SIZE)


@pytest.fixture(scope="module")
def learner(tokenizer, codec):
    torch.manual_seed(0)
    mllm = build_mllm(SIZE, chat_tokenizer(tokenizer))
    return TextLearner(mllm, build_clip(SIZE, clip_tokenizer(tokenizer)), codec.header)


@pytest.fixture(scope="module")
def frames():
    return np.stack([toy_clip(seed, frames=3).frames for seed in range(4)])


def stages(codec, frames):
    """Objective and samples of each stage."""
    return {
        "language": (LanguageObjective, ChatSamples(codec, 2, 4)),
        "bind": (BindingObjective, ChatSamples(codec, 2, 4)),
        "clip": (ClipObjective, CaptionSamples(frames, codec, 1)),
        "eyes": (EyesObjective, EyesSamples(frames, codec, 2)),
    }


def drawn(samples):
    return samples.batch(range(4), [np.random.default_rng(seed) for seed in range(4)])


@pytest.mark.parametrize("stage", ["language", "bind", "clip", "eyes"])
def test_a_batch_belongs_to_its_generators_alone(codec, frames, stage):
    samples = stages(codec, frames)[stage][1]
    first, again = drawn(samples), drawn(samples)
    assert first.keys() == again.keys()
    assert all(torch.equal(first[key], again[key]) for key in first)


@pytest.mark.parametrize("stage", ["language", "bind", "clip", "eyes"])
def test_every_weight_that_a_stage_trains_gets_a_gradient(learner, codec, frames, stage):
    objective, samples = stages(codec, frames)[stage]
    loss, _ = objective(learner)(drawn(samples))
    loss.backward()
    without = [name for name, p in learner.named_parameters() if p.requires_grad and p.grad is None]
    learner.zero_grad()
    learner.requires_grad_(True)
    assert torch.isfinite(loss)
    assert without == []


def test_the_eyes_leave_alone_what_the_video_model_reads(learner):
    decoder = learner.mllm.model.language_model
    read = [*decoder.embed_tokens.parameters(), *decoder.layers[: learner.depth].parameters()]
    frozen = [*read, *learner.clip.text_model.parameters()]
    learner.requires_grad_(True)
    EyesObjective(learner)
    assert not any(p.requires_grad for p in frozen)
    learner.requires_grad_(True)


def test_rescaled_states_say_the_same(learner, codec):
    chats = next(iter(_chat_groups(codec)))
    with torch.no_grad():
        rescale(learner, 64.0)  # as wide as trained states, far above the norms' epsilon
        state, loss = learner.read(chats)
        rescale(learner, 0.25)
        smaller, same = learner.read(chats)
        rescale(learner, 1 / 16)
    torch.testing.assert_close(smaller, state * 0.25, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(same, loss, atol=1e-3, rtol=1e-3)


def _chat_groups(codec):
    batch = drawn(ChatSamples(codec, 1, 4))
    yield Chats(**{key.split(".")[1]: value for key, value in batch.items()})


def test_captions_are_pooled_alike_in_groups_and_one_by_one(learner, codec):
    captions = codec.captions(
        ["a red circle", "a blue star spins on a black background", "a", "a ring grows", "up"]
    )
    with torch.no_grad():
        grouped = learner.pool(captions)
        alone = torch.cat([learner.clip.text_model(row[None]).pooler_output for row in captions])
    torch.testing.assert_close(grouped, alone, atol=1e-5, rtol=1e-4)


def test_a_narrow_answer_sees_the_prompt_through_the_end_of_the_turn_alone():
    chats = Chats(
        ids=torch.zeros(2, 6, dtype=torch.long),
        length=torch.tensor([6, 6]),
        prompt=torch.tensor([1, 1]),
        end=torch.tensor([3, 3]),
        narrow=torch.tensor([True, False]),
        facts=torch.zeros(2, 4),
        asked=torch.zeros(2, 2, 4),
        told=torch.zeros(2, 2, 4),
    )
    seen = chats.attend[:, 0] == 0
    assert seen[0, 5].tolist() == [False, False, False, True, True, True]
    assert seen[0, 3].tolist() == [True, True, True, True, False, False]
    assert seen[1, 5].all()


def test_what_is_read_is_the_prompt_and_the_end_of_its_turn(codec):
    rng = np.random.default_rng(0)
    chat = draw_chat(rng)
    fields = {key.split(".")[1]: value for key, value in codec.chats([chat], "chat").items()}
    chats = Chats(**fields)
    said = codec.tokenizer.decode(chats.ids[0][chats.said[0]].tolist(), skip_special_tokens=False)
    assert said.replace("<|eot_id|>", "") == chat.prompt.lower()
    weights = chats.weights(codec.header)[0]
    answer = codec.tokenizer.decode(chats.ids[0][weights == 1].tolist())
    assert answer.strip() == chat.answer


def test_two_objects_are_answered_in_one_order_whoever_is_named_first():
    rng = np.random.default_rng(0)
    scene = sample_scene(rng, actors=2)
    turned = type(scene)(scene.actors[::-1], scene.background)
    assert plain_facts(scene) == plain_facts(turned)


def test_each_of_two_objects_is_told_of_without_the_other(codec):
    scene = sample_scene(np.random.default_rng(1), actors=2)
    told = things(scene)
    for (color, alone), actor, other in zip(told, scene.actors, scene.actors[::-1], strict=True):
        assert color == actor.color
        assert f"a {color} " in alone.replace("an ", "a ")
        assert other.color not in alone
    chats = codec.chats([Chat(TEMPLATES.video, "two objects", "", things=told)], "chat")
    assert torch.equal(chats["chat.asked"][0], codec.facts([f" {color}" for color, _ in told]))


def test_exported_folders_encode_as_the_learner_does(learner, tokenizer, tmp_path):
    save_starter(tmp_path, learner.mllm, learner.clip, tokenizer)
    text = load_text_encoder(tmp_path)("a red circle moves right")
    assert text.embeds.shape[-1] == SIZE.hidden
    assert text.pooled.shape == (1, SIZE.clip_hidden)


def test_a_run_keeps_the_tokenizer_that_it_trained(tokenizer, tmp_path):
    path = tmp_path / "run" / "tokenizer.json"
    first = kept_tokenizer(path, lambda: tokenizer)
    again = kept_tokenizer(path, lambda: pytest.fail("trained a second time"))
    assert first.to_str() == again.to_str() == tokenizer.to_str()


@pytest.mark.parametrize("main", [True, False])
def test_the_main_process_alone_writes_the_encoders(main, learner, codec, tmp_path, monkeypatch):
    there = SimpleNamespace(is_main_process=main, main_process_first=nullcontext)
    monkeypatch.setattr(recipe, "processes", lambda: there)
    monkeypatch.setattr(recipe, "train", lambda *_: None)
    monkeypatch.setattr(recipe, "rendered_clips", lambda *_: np.zeros((1, 1, 64, 64, 3), np.uint8))
    recipe.see(recipe.Config(export=str(tmp_path / "out"), model=SIZE), learner, codec)
    assert (tmp_path / "out" / "text_encoder" / "training.json").exists() == main
    assert (tmp_path / "out").exists() == main


@pytest.mark.slow
def test_two_processes_train_the_encoders_that_one_of_them_writes(tmp_path):
    size = {name: value for name, value in vars(SIZE).items() if name not in ("projection", "image_size")}
    settings = [f"model.{name}={value}" for name, value in size.items()]
    settings += ["data.clips=4", "data.tokenizer_chats=60", "data.length_groups=1", f"data.cache={tmp_path}"]
    for stage in ("language", "bind", "clip", "eyes"):
        settings += [f"{stage}.steps=2", f"{stage}.batch_size=4", f"{stage}.precision='no'"]
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    train = ["-m", "foundation.training.cli", "text", f"output={tmp_path}/run", f"export={tmp_path}/out"]
    subprocess.run([*launch, *train, *settings], check=True, timeout=400)
    assert load_text_encoder(tmp_path / "out")("a red circle").embeds.shape[-1] == SIZE.hidden
    assert len(json.loads((tmp_path / "out" / "text_encoder" / "training.json").read_text())) == 1
