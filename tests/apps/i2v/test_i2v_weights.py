"""Released image-to-video weights in the official layout, at tiny width: both variants are recognised."""

import shutil

import numpy as np
import pytest
import torch
from tiny_models import tiny_transformer

from apps.i2v import ImageToVideoPipeline
from apps.i2v.conditioning.variants import RELEASED
from foundation import CausalVideoVAE, VideoTransformer
from foundation.checkpoints.layout import join, to_official
from shared.errors import ConfigError, WeightsError

PROMPT = "a red circle moves right"
WIDTH = {"num_attention_heads": 1, "attention_head_dim": 32, "rope_axes_dim": (4, 14, 14)}
WIDTH |= {"text_embed_dim": 32, "pooled_projection_dim": 24}
CHANNELS = {"latent_concat": 9, "token_replace": 4}


def official_file(path, condition):
    model = tiny_transformer(
        VideoTransformer, **WIDTH, in_channels=CHANNELS[condition], image_condition_type=condition
    )
    parts = to_official(model.state_dict())
    torch.save({"module": {name: join(rows) for name, rows in parts.items()}}, path)
    return model


@pytest.mark.parametrize("condition", ["latent_concat", "token_replace"])
def test_an_official_file_is_the_model_that_it_was(condition, model_folder, tmp_path):
    path = tmp_path / "mp_rank_00_model_states.pt"
    model = official_file(path, condition)
    base = tmp_path / "base"  # released folders say nothing about a recipe of ours
    shutil.copytree(model_folder, base)
    asked = {} if condition == "latent_concat" else {"condition_type": condition}
    pipe = ImageToVideoPipeline.from_pretrained(str(path), str(base), device="cpu", **asked)
    assert pipe.variant == RELEASED[condition]
    assert pipe.transformer.config.image_condition_type == condition
    for name, tensor in model.state_dict().items():
        assert torch.equal(pipe.transformer.state_dict()[name], tensor)
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    assert pipe(picture, PROMPT, steps=1).frames.shape == (5, 32, 32, 3)


def test_what_the_file_tells_is_not_overruled(model_folder, tmp_path):
    official_file(tmp_path / "concat.pt", "latent_concat")
    with pytest.raises(ConfigError, match="token_replace was asked for"):
        ImageToVideoPipeline.from_pretrained(
            str(tmp_path / "concat.pt"), str(model_folder), device="cpu", condition_type="token_replace"
        )


def test_the_official_folder_is_a_model_too(model_folder, tmp_path):
    room = tmp_path / "hunyuan-video-i2v-720p"
    (room / "transformers").mkdir(parents=True)
    official_file(room / "transformers" / "mp_rank_00_model_states.pt", "latent_concat")
    vae = CausalVideoVAE.from_pretrained(model_folder / "vae")
    vae.save_pretrained(room / "vae")
    for part, tokenizer, target in (
        ("text_encoder", "tokenizer", "text_encoder_i2v"),
        ("text_encoder_2", "tokenizer_2", "text_encoder_2"),
    ):
        shutil.copytree(model_folder / part, tmp_path / target)
        shutil.copytree(model_folder / tokenizer, tmp_path / target, dirs_exist_ok=True)
    with pytest.raises(WeightsError, match="sees no pictures"):
        pipe = ImageToVideoPipeline.from_pretrained(str(tmp_path), device="cpu")
        pipe(np.zeros((32, 32, 3), np.uint8), PROMPT, steps=1, size=(32, 32), frames=5)
    shutil.copy(model_folder / "image_processor" / "preprocessor_config.json", tmp_path / "text_encoder_i2v")
    pipe = ImageToVideoPipeline.from_pretrained(str(tmp_path), device="cpu")
    clip = pipe(np.zeros((32, 32, 3), np.uint8), PROMPT, steps=1, size=(32, 32), frames=5)
    assert clip.frames.shape == (5, 32, 32, 3)
