"""A whole folder of video-to-audio weights: tiny width, random weights, in which nothing is silent."""

import pytest
import torch
from tiny_sounds import TINY, tiny_transformer

from apps.v2a.checkpoints import SoundDefaults, write_defaults
from apps.v2a.codec import MelSpec, MelVAE, VocosVocoder
from apps.v2a.model.layout import AudioLayout
from apps.v2a.model.sync_encoder import SyncEncoder
from apps.v2a.model.text_encoder import build_t5, t5_tokenizer
from apps.v2a.training.config import T5Size
from foundation.models.text.starter import train_tokenizer

TEXTS = ["a wooden ball bounces; music: none", "the whoosh of a star"] * 20
SPEC = MelSpec(n_mels=16, n_fft=512)


@pytest.fixture(scope="session")
def sound_folder(tmp_path_factory):
    """A model folder that holds a folder `v2a`; a window is 32 tokens, 1.024 seconds."""
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModel

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model") / "v2a"
    sizes = {"hidden_size": 10, "intermediate_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2}
    CLIPVisionModel(CLIPVisionConfig(**sizes, image_size=16, patch_size=8)).save_pretrained(
        folder / "image_encoder"
    )
    CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}).save_pretrained(
        folder / "image_processor"
    )
    SyncEncoder(side=8, channels=(4, 6), width=6, layers=2).save_pretrained(folder / "sync_encoder")
    tokenizer = t5_tokenizer(train_tokenizer(TEXTS, 300))
    tokenizer.save_pretrained(folder / "tokenizer")
    build_t5(T5Size(hidden=12, layers=1, heads=2, mlp=16), tokenizer).save_pretrained(folder / "text_encoder")
    MelVAE(mel=vars(SPEC), latent_channels=2, block_out_channels=(4, 4), patch_size=(2, 2)).save_pretrained(
        folder / "mel_vae"
    )
    backbone = {"dim": 8, "intermediate_dim": 8, "num_layers": 1}
    VocosVocoder(SPEC, backbone).save_pretrained(folder / "vocoder")
    tiny_transformer().save_pretrained(folder / "transformer")
    layout = AudioLayout(16_000, 512, window=32, overlap=8)
    write_defaults(folder, SoundDefaults(layout, steps=2, cfg=2.0))
    return folder.parent


assert TINY["latent_bands"] == SPEC.n_mels // 4
