import numpy as np
import pytest
import torch

from foundation.text import load_text_encoder
from foundation.text.starter import (
    StarterSize,
    build_clip,
    build_mllm,
    chat_tokenizer,
    clip_tokenizer,
    save_starter,
    train_tokenizer,
)
from foundation.training.text_data import (
    ChatCodec,
    TextSamples,
    draw_chat,
    plain_facts,
    tokenizer_texts,
)
from foundation.training.text_model import Chats, TextLearner, TextObjective
from shared.toybox.mix import toy_clip
from shared.toybox.sampling import sample_scene

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
def batch(codec):
    frames = np.stack([toy_clip(seed, frames=3).frames for seed in range(4)])
    samples = TextSamples(frames, codec, chats_per_picture=2, groups=2)
    return samples.batch(range(4), [np.random.default_rng(seed) for seed in range(4)])


def test_a_batch_belongs_to_its_generators_alone(codec, batch):
    frames = np.stack([toy_clip(seed, frames=3).frames for seed in range(4)])
    samples = TextSamples(frames, codec, chats_per_picture=2, groups=2)
    again = samples.batch(range(4), [np.random.default_rng(seed) for seed in range(4)])
    assert again.keys() == batch.keys()
    assert all(torch.equal(again[key], batch[key]) for key in batch)


def test_every_trained_weight_gets_a_gradient(learner, batch):
    loss, _ = TextObjective(learner)(batch)
    loss.backward()
    without = [name for name, p in learner.named_parameters() if p.grad is None]
    learner.zero_grad()
    assert torch.isfinite(loss)
    assert without == []


def test_a_narrow_answer_sees_the_prompt_through_the_end_of_the_turn_alone():
    chats = Chats(
        ids=torch.zeros(2, 6, dtype=torch.long),
        length=torch.tensor([6, 6]),
        prompt=torch.tensor([1, 1]),
        end=torch.tensor([3, 3]),
        narrow=torch.tensor([True, False]),
        facts=torch.zeros(2, 4),
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


def test_exported_folders_encode_as_the_learner_does(learner, tokenizer, tmp_path):
    save_starter(tmp_path, learner.mllm, learner.clip, tokenizer)
    text = load_text_encoder(tmp_path)("a red circle moves right")
    assert text.embeds.shape[-1] == SIZE.hidden
    assert text.pooled.shape == (1, SIZE.clip_hidden)
