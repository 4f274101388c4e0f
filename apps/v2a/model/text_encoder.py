"""Prompts to the states of a T5 encoder (paper: "CLIP and T5 encoders"), the released ones and the starter's alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from shared.config import shorten

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast, T5EncoderModel

    from apps.v2a.training.config import T5Size

LONGEST = 77
"""Tokens of a prompt; more are cut, said aloud."""

Note = Callable[[str], None]


class SoundText:
    """A T5 encoder with its tokenizer."""

    def __init__(self, model: T5EncoderModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self.model, self.tokenizer = model, tokenizer

    @torch.no_grad()
    def __call__(self, prompts: Sequence[str], note: Note | None = None) -> list[Tensor]:
        """The states of each prompt's own tokens, (L, D) in the model's dtype.

        Args:
            prompts: one or more.
            note: told of each prompt that is cut.
        """
        if note is not None:
            for prompt, ids in zip(
                prompts, self.tokenizer(list(prompts), verbose=False).input_ids, strict=True
            ):
                if len(ids) > LONGEST:
                    note(
                        f"prompt too long, its last {len(ids) - LONGEST} tokens are not read: {shorten(prompt, 40)}"
                    )
        tokens = self.tokenizer(
            list(prompts), padding=True, truncation=True, max_length=LONGEST, return_tensors="pt"
        )
        ids, mask = tokens.input_ids.to(self.model.device), tokens.attention_mask.to(self.model.device)
        states = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        return [row[: int(length)] for row, length in zip(states, mask.sum(dim=1), strict=True)]


def t5_tokenizer(pieces: Tokenizer) -> PreTrainedTokenizerFast:
    """The starter's pieces, each text closed by the end token that T5 is used to."""
    from tokenizers import Tokenizer, processors
    from transformers import PreTrainedTokenizerFast

    from foundation.models.text.starter import CLIP_END, PAD

    copy = Tokenizer.from_str(pieces.to_str())
    copy.post_processor = processors.TemplateProcessing(
        single=f"$A {CLIP_END}", special_tokens=[(CLIP_END, copy.token_to_id(CLIP_END))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=copy,
        eos_token=CLIP_END,
        pad_token=PAD,
        padding_side="right",
        model_max_length=LONGEST,
    )


def build_t5(size: T5Size, tokenizer: PreTrainedTokenizerFast) -> T5EncoderModel:
    """A T5 encoder for a tokenizer, with random weights."""
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=size.hidden,
            d_kv=size.hidden // size.heads,
            d_ff=size.mlp,
            num_layers=size.layers,
            num_heads=size.heads,
            feed_forward_proj="gated-gelu",
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            dropout_rate=0.0,
        )
    )
