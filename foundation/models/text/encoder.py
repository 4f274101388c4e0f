"""Prompts become `TextConditioning`: states of a language model, and one pooled CLIP vector.

Both encoders are transformers' own classes; this module owns what lies around them: markup, crop, depth,
truncation that is said aloud, and padding that is trimmed once (HunyuanVideo section 4.3 "text encoder").
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from foundation.models.text.templates import PromptTemplates, TemplateKind, prefix_length, templates_of
from foundation.models.transformer.conditioning import TextConditioning
from shared.errors import InputError, WeightsError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SKIP_LAYERS = 2
"""Decoder layers above the states that are read (`hidden_state_skip_layer`)."""

CLIP_MAX_TOKENS = 77
LEGACY_CLIP_EOS = 2
"""Older CLIP configurations name this end token; transformers then pools at the highest id instead."""

Note = Callable[[str], None]


@dataclass(frozen=True)
class Tokens:
    """Right-padded token ids (B, L), their mask (B, L, bool, True is real), and tokens cut off per prompt."""

    ids: Tensor
    mask: Tensor
    cut: tuple[int, ...]


class _Tap(nn.Module):
    """Stands in the place of the final norm, keeps what reaches it and passes it on."""

    state: Tensor

    def forward(self, state: Tensor) -> Tensor:
        self.state = state
        return state


@contextmanager
def _shortened(decoder: Any, depth: int) -> Generator[_Tap]:
    """Let the decoder run its first `depth` layers only, without its norm; as before afterwards."""
    layers, norm, tap = decoder.layers, decoder.norm, _Tap()
    decoder.layers, decoder.norm = layers[:depth], tap
    try:
        yield tap
    finally:
        decoder.layers, decoder.norm = layers, norm


class MLLMEncoder:
    """States of a decoder-only language model over the prompt, at a chosen depth.

    Works with any transformers decoder that has `layers` and `norm` (LlamaModel, LlamaForCausalLM, the
    language part of LlavaForConditionalGeneration). Layers above the depth are not run.
    """

    def __init__(
        self, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", skip_layers: int = SKIP_LAYERS
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.templates: PromptTemplates = templates_of(tokenizer)
        self.depth = len(self.decoder.layers) - skip_layers
        if self.depth < 1:
            raise WeightsError(
                f"the language model has {len(self.decoder.layers)} layers, not over {skip_layers}"
            )

    @property
    def decoder(self) -> Any:
        """The stack of layers itself, whatever model it stands in."""
        decoder = self.model.get_decoder()
        return decoder if hasattr(decoder, "layers") else decoder.get_decoder()

    def tokenize(self, prompts: Sequence[str], kind: TemplateKind) -> tuple[Tokens, int]:
        """Prompts in their template, and the length of the prefix to crop from their states."""
        template = self.templates.of(kind)
        _refuse_markup(prompts, self.tokenizer)
        crop = prefix_length(template, self.tokenizer)
        rows = self.tokenizer([template.render(prompt) for prompt in prompts], verbose=False)["input_ids"]
        limit = crop + template.max_length
        return _right_padded([row[:limit] for row in rows], rows, _pad_id(self.tokenizer)), crop

    def states(self, ids: Tensor, mask: Tensor, pixel_values: Tensor | None = None) -> Tensor:
        """Hidden states at the chosen depth, before any norm.

        Args:
            ids: (B, L) token ids, right-padded.
            mask: (B, L), True or 1 for real tokens.
            pixel_values: (B, 3, H, W) pictures for the `<image>` tokens among the ids, or None.

        Returns:
            (B, L, D) in the model's dtype.
        """
        inputs = {"input_ids": ids, "attention_mask": mask.long(), "use_cache": False}
        if pixel_values is not None:
            inputs["pixel_values"] = pixel_values
        if self.model.get_output_embeddings() is not None:
            inputs["logits_to_keep"] = 1
        with _shortened(self.decoder, self.depth) as tap:
            self.model(**inputs)
        return tap.state

    def __call__(
        self, prompts: Sequence[str], kind: TemplateKind = "video", device: torch.device | str | None = None
    ) -> tuple[Tensor, Tensor, tuple[int, ...]]:
        """Encode prompts.

        Returns:
            States (B, L, D), mask (B, L), and tokens cut off per prompt; L is the longest of the batch.
        """
        tokens, crop = self.tokenize(prompts, kind)
        device = device or self.model.device
        mask = tokens.mask.to(device)
        return self.states(tokens.ids.to(device), mask)[:, crop:], mask[:, crop:], tokens.cut


class CLIPPooledEncoder:
    """The state of a CLIP text model at its end-of-text token, after the final norm, not projected."""

    def __init__(self, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.max_tokens = min(CLIP_MAX_TOKENS, model.config.max_position_embeddings)
        self._check_end_token()

    def _check_end_token(self) -> None:
        named, real = self.model.config.eos_token_id, self.tokenizer.eos_token_id
        pooled_at = len(self.tokenizer) - 1 if named == LEGACY_CLIP_EOS else named
        if pooled_at != real:
            raise WeightsError(
                f"CLIP would be pooled at token {pooled_at}, but its tokenizer ends a text with {real}; "
                "use the tokenizer that belongs to the model"
            )

    def __call__(
        self, prompts: Sequence[str], device: torch.device | str | None = None
    ) -> tuple[Tensor, tuple[int, ...]]:
        """Encode prompts without any template.

        Returns:
            Pooled states (B, D), and tokens cut off per prompt.
        """
        _refuse_markup(prompts, self.tokenizer)
        rows = self.tokenizer([prompt.strip() for prompt in prompts], verbose=False)["input_ids"]
        kept = [
            row if len(row) <= self.max_tokens else [*row[: self.max_tokens - 1], row[-1]] for row in rows
        ]
        tokens = _right_padded(kept, rows, self.tokenizer.eos_token_id)
        # Causal and right-padded: the end token never sees the padding, so no mask is needed.
        return self.model(tokens.ids.to(device or self.model.device)).pooler_output, tokens.cut


class TextEncoder:
    """Both encoders together: prompts in, one `TextConditioning` out."""

    def __init__(self, mllm: MLLMEncoder, clip: CLIPPooledEncoder) -> None:
        self.mllm = mllm
        self.clip = clip

    def check(self, prompts: Sequence[str]) -> None:
        """Find out before anything is encoded whether the prompts can be.

        Raises:
            InputError: a prompt holds markup that belongs to a tokenizer.
        """
        for encoder in (self.mllm, self.clip):
            _refuse_markup(prompts, encoder.tokenizer)

    @torch.no_grad()
    def __call__(
        self,
        prompts: str | Sequence[str],
        kind: TemplateKind = "video",
        device: torch.device | str | None = None,
        note: Note | None = None,
    ) -> TextConditioning:
        """Encode prompts.

        Args:
            prompts: one or more; "" is the empty condition.
            kind: the template, for a clip or for a single picture.
            device: where to run; None: where the models are.
            note: called with one line for each prompt that was too long and had to be cut.

        Returns:
            embeds (B, L, D), mask (B, L) or None, and pooled (B, D_pool); L is the longest prompt's length.

        Raises:
            InputError: a prompt holds markup that belongs to the tokenizer.
        """
        prompts = [prompts] if isinstance(prompts, str) else list(prompts)
        embeds, mask, cut = self.mllm(prompts, kind, device)
        pooled, clip_cut = self.clip(prompts, device)
        if note is not None:
            for prompt, lost, clip_lost in zip(prompts, cut, clip_cut, strict=True):
                for line in _truncation_notes(prompt, lost, clip_lost):
                    note(line)
        return TextConditioning(embeds, mask, pooled).trimmed()


def _truncation_notes(prompt: str, lost: int, clip_lost: int) -> Iterator[str]:
    """One line for each encoder that did not read the whole prompt."""
    shown = prompt if len(prompt) <= 40 else prompt[:37] + "..."
    if lost:
        yield f"prompt too long, its last {lost} tokens are not read: {shown!r}"
    if clip_lost:
        yield f"prompt too long for CLIP, which leaves out its last {clip_lost} tokens: {shown!r}"


def _refuse_markup(prompts: Sequence[str], tokenizer: "PreTrainedTokenizerBase") -> None:
    """A prompt that holds special tokens would end its own turn or claim a picture."""
    markup = [token for token in tokenizer.get_added_vocab() if token.startswith("<")]
    for prompt in prompts:
        for token in markup:
            if token in prompt:
                raise InputError(f"the prompt holds {token!r}, markup of the text encoder; leave it out")


def _pad_id(tokenizer: "PreTrainedTokenizerBase") -> int:
    return tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id


def _right_padded(kept: list[list[int]], whole: list[list[int]], pad: int) -> Tokens:
    longest = max(len(row) for row in kept)
    ids = torch.tensor([row + [pad] * (longest - len(row)) for row in kept])
    mask = torch.tensor([[True] * len(row) + [False] * (longest - len(row)) for row in kept])
    return Tokens(ids, mask, tuple(len(full) - len(row) for full, row in zip(whole, kept, strict=True)))
