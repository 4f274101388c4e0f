"""The starter's own text encoders: the released architectures at small width, with a small tokenizer.

Same classes and folders as the released weights, so that every line of loading and encoding code is shared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from foundation.models.text.templates import FOLDER_KEY, PromptTemplate, PromptTemplates
from shared.media.files import replacing

if TYPE_CHECKING:
    from transformers import (
        CLIPModel,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaForConditionalGeneration,
        PreTrainedTokenizerFast,
    )

    from foundation.training.config import LlamaSize, StarterSize

BEGIN, PAD, END_OF_TURN, IMAGE = "<|begin_of_text|>", "<pad>", "<|eot_id|>", "<image>"
HEADER, HEADER_END = "<|start_header_id|>", "<|end_header_id|>"
CLIP_BEGIN, CLIP_END = "<|startoftext|>", "<|endoftext|>"
SPECIAL_TOKENS = (PAD, BEGIN, END_OF_TURN, HEADER, HEADER_END, IMAGE, CLIP_BEGIN, CLIP_END)

WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Where merges stop, as in Llama 3: words keep their space, runs of newlines are one piece."""


def turn(role: str, content: str) -> str:
    """One turn of the chat, as Llama 3 writes it."""
    return f"{HEADER}{role}{HEADER_END}\n\n{content}{END_OF_TURN}"


ANSWER = f"{HEADER}assistant{HEADER_END}\n\n"
"""What makes the model answer."""

TEMPLATES = PromptTemplates(
    video=PromptTemplate(turn("system", "video") + turn("user", "{}")),
    image=PromptTemplate(turn("system", "image") + turn("user", "{}")),
)
"""As the built-in ones, with one word for the system's turn: on a CPU a prefix costs as much as a prompt."""

PICTURE_TEMPLATE = PromptTemplate(turn("system", f"{IMAGE}\nvideo") + turn("user", "{}"))
"""A prompt about a clip that starts with a given picture; `<image>` is repeated once per picture token."""


LONGEST_CHAT = 1024
"""Tokens that the starter's language model reads."""


def train_tokenizer(texts: Iterable[str], vocabulary: int, words: str = WORDS) -> Tokenizer:
    """Byte-level BPE: whatever is written, in any language, has an encoding. Letters are lower-cased.

    Args:
        texts: what it learns its pieces from.
        vocabulary: number of pieces, special tokens included.
        words: a regular expression for what merges stay within.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(words), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def kept_tokenizer(path: Path, train: Callable[[], Tokenizer]) -> Tokenizer:
    """A run's tokenizer: trained at the first call, then read from the file that it is kept in."""
    if not path.exists():
        tokenizer = train()
        with replacing(path) as temporary:
            tokenizer.save(str(temporary))
    return Tokenizer.from_file(str(path))


def chat_tokenizer(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """The language model's tokenizer, which brings its own prompt templates."""
    from transformers import PreTrainedTokenizerFast

    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A", special_tokens=[(BEGIN, copy.token_to_id(BEGIN))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=copy,
        bos_token=BEGIN,
        eos_token=END_OF_TURN,
        pad_token=PAD,
        padding_side="right",
        additional_special_tokens=[HEADER, HEADER_END, IMAGE],
        model_max_length=LONGEST_CHAT,
        **{FOLDER_KEY: TEMPLATES.as_folder_value()},
    )


def clip_tokenizer(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """CLIP's tokenizer: the same pieces between CLIP's two marks."""
    from transformers import PreTrainedTokenizerFast

    copy = Tokenizer.from_str(tokenizer.to_str())
    marks = [(mark, copy.token_to_id(mark)) for mark in (CLIP_BEGIN, CLIP_END)]
    copy.post_processor = processors.TemplateProcessing(
        single=f"{CLIP_BEGIN} $A {CLIP_END}", special_tokens=marks
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=copy,
        bos_token=CLIP_BEGIN,
        eos_token=CLIP_END,
        pad_token=CLIP_END,
        padding_side="right",
        model_max_length=77,
    )


def llama_config(size: LlamaSize, tokenizer: PreTrainedTokenizerFast, longest: int) -> LlamaConfig:
    """A Llama of a size that reads `longest` tokens; its output head is its embedding."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=size.vocabulary,
        hidden_size=size.hidden,
        intermediate_size=size.mlp,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.heads,
        max_position_embeddings=longest,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def build_mllm(size: StarterSize, tokenizer: PreTrainedTokenizerFast) -> LlavaForConditionalGeneration:
    """A LLaVA with a small Llama; its vision tower is the one that CLIP trains."""
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    config = LlavaConfig(
        text_config=llama_config(size, tokenizer, LONGEST_CHAT),
        vision_config=_vision_config(size),
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        image_seq_length=size.image_tokens,
        vision_feature_layer=-2,
        tie_word_embeddings=True,
    )
    return LlavaForConditionalGeneration(config)


def build_clip(size: StarterSize, tokenizer: PreTrainedTokenizerFast) -> CLIPModel:
    """Both towers of CLIP with their projections."""
    from transformers import CLIPConfig, CLIPModel, CLIPTextConfig

    text = CLIPTextConfig(
        vocab_size=size.vocabulary,
        hidden_size=size.clip_hidden,
        intermediate_size=size.clip_mlp,
        projection_dim=size.projection,
        num_hidden_layers=size.clip_layers,
        num_attention_heads=size.clip_heads,
        max_position_embeddings=77,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPModel(
        CLIPConfig(
            text_config=text.to_dict(),
            vision_config=_vision_config(size).to_dict(),
            projection_dim=size.projection,
        )
    )


def _vision_config(size: StarterSize) -> CLIPVisionConfig:
    from transformers import CLIPVisionConfig

    return CLIPVisionConfig(
        hidden_size=size.clip_hidden,
        intermediate_size=size.clip_mlp,
        projection_dim=size.projection,
        num_hidden_layers=size.clip_layers,
        num_attention_heads=size.clip_heads,
        image_size=size.image_size,
        patch_size=size.patch,
    )


def save_starter(
    folder: Path, mllm: LlavaForConditionalGeneration, clip: CLIPModel, tokenizer: Tokenizer
) -> None:
    """Write `text_encoder`, `tokenizer`, `text_encoder_2`, `tokenizer_2` and `image_processor`, in bf16."""
    import torch
    from transformers import CLIPImageProcessor

    side = mllm.config.vision_config.image_size
    for name, model in (("text_encoder", mllm), ("text_encoder_2", clip.text_model)):
        copy = deepcopy(model).to(torch.bfloat16)
        copy.set_attn_implementation("sdpa")
        copy.save_pretrained(folder / name)
    chat_tokenizer(tokenizer).save_pretrained(folder / "tokenizer")
    clip_tokenizer(tokenizer).save_pretrained(folder / "tokenizer_2")
    CLIPImageProcessor(
        size={"shortest_edge": side},
        crop_size={"height": side, "width": side},
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
    ).save_pretrained(folder / "image_processor")
