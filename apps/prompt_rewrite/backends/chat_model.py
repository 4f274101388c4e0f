"""A causal language model with a chat template, loaded through transformers: from safetensors, without its code."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from transformers import TextStreamer

from foundation.checkpoints.text_encoders import load_causal_lm, load_tokenizer
from foundation.runtime.device import choose_device
from shared.errors import InputError, WeightsError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from apps.prompt_rewrite.backends import OnText

Message = dict[str, str]
ADAPTER_FILE = "adapter_config.json"


class ChatModel:
    """Answers messages, greedily or, with a seed, by drawing."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self.model, self.tokenizer = model, tokenizer

    @classmethod
    def load(cls, folder: Path, device: str = "auto", dtype: torch.dtype | None = None) -> Self:
        """The model of a folder, or of the folder that an adapter in this one was trained on.

        Args:
            folder: in transformers' layout, or an adapter's in peft's.
            device: see `choose_device`.
            dtype: None: as the folder has it on a GPU, float32 elsewhere.

        Raises:
            InputError: torch does not see the device.
            WeightsError: a file is missing or damaged, or the model is none for chats.
        """
        place = choose_device(device)
        precision = dtype or (None if place.type == "cuda" else torch.float32)
        base = adapter_base(folder) if (folder / ADAPTER_FILE).is_file() else folder
        tokenizer, model = load_chat_tokenizer(base), load_causal_lm(base, precision)
        if base != folder:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, str(folder))
        return cls(model.to(place).eval(), tokenizer)

    def answer(
        self, messages: Sequence[Message], limit: int, on_text: OnText | None = None, seed: int | None = None
    ) -> str:
        """The model's answer, at most `limit` tokens long.

        Args:
            messages: the chat so far, each with `role` and `content`.
            limit: of new tokens.
            on_text: is shown each piece as it is written.
            seed: draw with temperature instead of taking the likeliest token.

        Raises:
            InputError: the chat is longer than the model reads, or holds one of its marks.
        """
        self._check_marks(messages[-1]["content"])
        inputs = self.tokenizer.apply_chat_template(
            list(messages),
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
            enable_thinking=False,
        ).to(self.model.device)
        length, longest = inputs["input_ids"].shape[1], self.model.config.max_position_embeddings
        if length + limit > longest:
            raise InputError(
                f"the prompt is {length} tokens with its instructions; the model reads {longest - limit}"
            )
        drawing: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        if seed is not None:
            drawing = {"do_sample": True, "temperature": 0.7, "top_p": 0.95, "top_k": 20}
        streamer = _Streamer(self.tokenizer, on_text) if on_text else None
        with torch.inference_mode(), torch.random.fork_rng(enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed)
            written = self.model.generate(**inputs, max_new_tokens=limit, streamer=streamer, **drawing)
        return self.tokenizer.decode(written[0, length:], skip_special_tokens=True)

    def close(self) -> None:
        """Free the weights; the next line of a program may load a video model into their place."""
        del self.model
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _check_marks(self, text: str) -> None:
        for mark in self.tokenizer.all_special_tokens:
            if mark in text:
                raise InputError(f"the prompt holds {mark}, which is a mark of the model's own: leave it out")


class _Streamer(TextStreamer):
    """Hands words on as soon as they are whole."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, on_text: OnText) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self.on_text = on_text

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        if text:
            self.on_text(text)


def load_chat_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a model that was tuned for chats.

    Raises:
        WeightsError: there is none, or it does not say how a chat is written.
    """
    tokenizer = load_tokenizer(folder)
    if not tokenizer.chat_template:
        raise WeightsError(f"{folder} has no chat template: a model that was tuned for chats is needed")
    return tokenizer


def adapter_base(folder: Path) -> Path:
    """The folder of the model that an adapter belongs to.

    Raises:
        WeightsError: the adapter is no safetensors file, or names no model.
    """
    from peft import PeftConfig

    if not (folder / "adapter_model.safetensors").is_file():
        raise WeightsError(f"{folder / 'adapter_model.safetensors'} is missing: the adapter has no weights")
    base = PeftConfig.from_pretrained(str(folder)).base_model_name_or_path
    if not base:
        raise WeightsError(f"{folder / ADAPTER_FILE} does not say which model the adapter belongs to")
    return Path(base)
