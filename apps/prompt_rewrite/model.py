"""The starter's own rewriter: a small Llama with a tokenizer for six languages, in transformers' layout."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING

from apps.prompt_rewrite.training.config import RewriterSize
from foundation.models.text.starter import (
    BEGIN,
    END_OF_TURN,
    HEADER,
    HEADER_END,
    PAD,
    WORDS,
    llama_config,
    train_tokenizer,
)

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

SIGNS = rf"[\p{{Han}}\p{{Hiragana}}]|\p{{Katakana}}+|{WORDS}"
"""Where merges stop: where no spaces are, each sign is a piece of its own, so that every word is met whole."""

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    f"{{% if message.role == 'user' %}}{HEADER}{{% elif message.role == 'assistant' %}}{HEADER_END}{{% endif %}}"
    "{{ message.content }}"
    "{% if message.role == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
    f"{{% if add_generation_prompt %}}{HEADER_END}{{% endif %}}"
)
"""Mode, prompt and rewrite with one mark before each: on a CPU every token of a chat costs as much as an answer's."""


def rewriter_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """A tokenizer for prompts and rewrites."""
    return train_tokenizer(texts, vocabulary, SIGNS)


def chat_tokenizer(tokenizer: Tokenizer, longest: int) -> PreTrainedTokenizerFast:
    """The tokenizer with its chat template, as transformers loads it."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BEGIN,
        eos_token=END_OF_TURN,
        pad_token=PAD,
        additional_special_tokens=[HEADER, HEADER_END],
        model_max_length=longest,
        chat_template=TEMPLATE,
    )


def build_rewriter(size: RewriterSize, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """The model with random weights."""
    from transformers import LlamaForCausalLM

    return LlamaForCausalLM(llama_config(size, tokenizer, size.longest))


def save_rewriter(folder: Path, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Write the folder, in bfloat16."""
    import torch

    deepcopy(model).to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
