import pytest
import torch

from foundation.text.starter import (
    StarterSize,
    build_clip,
    build_mllm,
    chat_tokenizer,
    clip_tokenizer,
    save_starter,
    train_tokenizer,
)

TEXTS = ["a red circle moves right on a gray background", "system user assistant video image \n\n"] * 20
TINY = StarterSize(
    vocabulary=360,
    hidden=32,
    layers=4,
    heads=2,
    mlp=48,
    clip_hidden=24,
    clip_layers=3,
    clip_heads=2,
    clip_mlp=32,
)


@pytest.fixture(scope="session")
def starter_folder(tmp_path_factory):
    """The starter's folders with random weights at tiny width."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("starter")
    tokenizer = train_tokenizer(TEXTS, TINY.vocabulary)
    mllm = build_mllm(TINY, chat_tokenizer(tokenizer))
    clip = build_clip(TINY, clip_tokenizer(tokenizer))
    save_starter(folder, mllm, clip, tokenizer)
    return folder
