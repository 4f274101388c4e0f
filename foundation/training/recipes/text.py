"""The recipe of the starter's text encoders: tokenizer, language model, CLIP, and the language model's eyes.

Four stages, each a resumable run of its own. They are frozen early (DESIGN section 4): whatever trains on
their states falls with them. So the last stage leaves alone what the others made.
"""

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import nn

from foundation.checkpoints.model_folder import write_training
from foundation.data.loading import Samples
from foundation.data.toybox.chats import (
    CaptionSamples,
    ChatCodec,
    ChatSamples,
    EyesSamples,
    tokenizer_texts,
)
from foundation.data.toybox.clips import rendered_clips
from foundation.models.text.starter import (
    build_clip,
    build_mllm,
    chat_tokenizer,
    clip_tokenizer,
    kept_tokenizer,
    save_starter,
    train_tokenizer,
)
from foundation.training.checkpoint import read_averaged
from foundation.training.config import TextConfig as Config
from foundation.training.text_objectives import (
    BindingObjective,
    ClipObjective,
    EyesObjective,
    LanguageObjective,
    TextLearner,
    rescale,
)
from foundation.training.trainer import Trainer, processes

COMMON_WORDS = Path(__file__).parents[1] / "english.txt"
"""Words of prompts about anything, so that the tokenizer has pieces for what the toybox does not know."""


def run(config: Config) -> Path:
    """Train the four stages, write the folders of the starter's text encoders, and return where they are."""
    learner, codec = build(config)
    chats = ChatSamples(codec, config.data.length_groups, config.data.clips)
    train(config, "language", LanguageObjective(learner), chats)
    train(config, "bind", BindingObjective(learner), chats)
    rescale(learner, config.state_scale)
    return see(config, learner, codec)


def build(config: Config) -> tuple[TextLearner, ChatCodec]:
    """An untrained learner and the codec of the run's tokenizer."""
    torch.manual_seed(config.language.seed)
    with processes().main_process_first():
        tokenizer = kept_tokenizer(Path(config.output) / "tokenizer.json", partial(_train_tokenizer, config))
    codec = ChatCodec(tokenizer, config.model)
    mllm = build_mllm(config.model, chat_tokenizer(tokenizer))
    clip = build_clip(config.model, clip_tokenizer(tokenizer))
    # Plain matrix products have the faster backward pass on a CPU for sequences this short.
    for model in (mllm, clip):
        model.set_attn_implementation("eager")
    return TextLearner(mllm, clip, codec.header), codec


def see(config: Config, learner: TextLearner, codec: ChatCodec) -> Path:
    """The stages after those of the language model: CLIP, then the language model's eyes; exported after each."""
    with processes().main_process_first():
        clips = rendered_clips(Path(config.data.cache), config.data.clips)
    folder = config.folder
    train(config, "clip", ClipObjective(learner), CaptionSamples(clips, codec, config.data.extra_captions))
    if processes().is_main_process:
        save_starter(folder, learner.mllm, learner.clip, codec.tokenizer)
    train(config, "eyes", EyesObjective(learner), EyesSamples(clips, codec, config.data.length_groups))
    if processes().is_main_process:
        save_starter(folder, learner.mllm, learner.clip, codec.tokenizer)
        write_training(folder / "text_encoder", {"recipe": "text", **asdict(config)})
    return folder


def train(config: Config, stage: str, objective: nn.Module, samples: Samples) -> None:
    """Train one stage and leave its averaged weights in the learner."""
    settings = replace(getattr(config, stage), output=str(Path(config.output) / stage))
    last = Trainer(objective, samples, settings).run()
    averaged = read_averaged(last)
    objective.get_submodule("model").load_state_dict(averaged, strict=False)


def _train_tokenizer(config: Config) -> Tokenizer:
    texts = tokenizer_texts(config.data.tokenizer_chats, COMMON_WORDS.read_text().split())
    return train_tokenizer(texts, config.model.vocabulary)
