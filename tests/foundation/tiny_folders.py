"""Model folders with random weights at tiny width."""

import pytest
import torch
from tiny_models import STARTER_VAE, TINY_TRANSFORMER

from foundation.checkpoints.defaults import ModelDefaults
from foundation.checkpoints.model_folder import write_defaults, write_index
from foundation.models.text.starter import (
    build_clip,
    build_mllm,
    chat_tokenizer,
    clip_tokenizer,
    save_starter,
    train_tokenizer,
)
from foundation.models.transformer.model import VideoTransformer
from foundation.models.vae.model import CausalVideoVAE
from foundation.training.config import StarterSize
from shared.config import Size

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


@pytest.fixture(scope="session")
def model_folder(starter_folder):
    """A whole model folder with random weights at tiny width; small enough for a clip in half a second."""
    CausalVideoVAE(**STARTER_VAE).save_pretrained(starter_folder / "vae")
    VideoTransformer(
        **TINY_TRANSFORMER | {"text_embed_dim": TINY.hidden, "pooled_projection_dim": TINY.clip_hidden}
    ).save_pretrained(starter_folder / "transformer")
    defaults = ModelDefaults(fps=8.0, size=Size(32, 32), frames=5, steps=2, shift=3.0, cfg=2.0, guidance=None)
    write_defaults(starter_folder, defaults)
    write_index(starter_folder)
    return starter_folder
