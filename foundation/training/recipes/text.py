"""The recipe of the starter's text encoders: tokenizer, language model with eyes, and CLIP, in one run.

They are frozen early (DESIGN section 4): whatever trains on their states falls with them.
"""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from tokenizers import Tokenizer

from foundation.text.starter import (
    StarterSize,
    build_clip,
    build_mllm,
    chat_tokenizer,
    clip_tokenizer,
    save_starter,
    train_tokenizer,
)
from foundation.training.checkpoint import checkpoints, read_checkpoint
from foundation.training.config import Training
from foundation.training.text_data import ChatCodec, TextSamples, tokenizer_texts
from foundation.training.text_model import TextLearner, TextObjective
from foundation.training.toy_clips import rendered_clips
from foundation.training.trainer import Trainer

COMMON_WORDS = Path(__file__).parents[1] / "english.txt"
"""Words of prompts about anything, so that the tokenizer has pieces for what the toybox does not know."""


@dataclass
class TextData:
    """Clips that pictures are taken from, and captions that go with each picture."""

    clips: int = 12000
    cache: str = "cache/toybox"
    chats_per_picture: int = 2
    length_groups: int = 3
    tokenizer_chats: int = 20000


@dataclass
class Config:
    """Everything that `kinora train text` can set."""

    training: Training = field(
        default_factory=lambda: Training(
            output="runs/text",
            steps=650,
            learning_rate=0.02,
            adamw_learning_rate=2e-3,
            warmup=40,
            decay=0.6,
            ema_decay=0.99,
        )
    )
    model: StarterSize = field(default_factory=StarterSize)
    data: TextData = field(default_factory=TextData)
    export: str = "weights/starter"


def run(config: Config) -> Path:
    """Train, write the folders of the starter's text encoders, and return where they are."""
    torch.manual_seed(config.training.seed)
    tokenizer = _tokenizer(config)
    codec = ChatCodec(tokenizer, config.model)
    learner = TextLearner(
        build_mllm(config.model, chat_tokenizer(tokenizer)),
        build_clip(config.model, clip_tokenizer(tokenizer)),
        codec.header,
    )
    # Plain matrix products have the faster backward pass on a CPU for sequences this short.
    learner.mllm.set_attn_implementation("eager")
    clips = rendered_clips(Path(config.data.cache), config.data.clips)
    samples = TextSamples(clips, codec, config.data.chats_per_picture, config.data.length_groups)
    last = Trainer(TextObjective(learner), samples, config.training).run()
    return export(config, last)


def export(config: Config, checkpoint: Path | None = None) -> Path:
    """Write the averaged weights of a checkpoint (the last one) as folders in diffusers' layout."""
    checkpoint = checkpoint or checkpoints(Path(config.training.output) / "checkpoints")[-1]
    tokenizer = _tokenizer(config)
    learner = TextLearner(
        build_mllm(config.model, chat_tokenizer(tokenizer)),
        build_clip(config.model, clip_tokenizer(tokenizer)),
        ChatCodec(tokenizer, config.model).header,
    )
    learner.load_state_dict(read_checkpoint(checkpoint)[0]["ema"], strict=False)
    folder = Path(config.export)
    save_starter(folder, learner.mllm, learner.clip, tokenizer)
    return folder


def _tokenizer(config: Config) -> Tokenizer:
    """The run's tokenizer, trained at the first call and kept beside the checkpoints."""
    path = Path(config.training.output) / "tokenizer.json"
    if not path.exists():
        texts = tokenizer_texts(config.data.tokenizer_chats, COMMON_WORDS.read_text().split())
        tokenizer = train_tokenizer(texts, config.model.vocabulary)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        tokenizer.save(str(part))
        part.rename(path)
    return Tokenizer.from_file(str(path))
