"""What the starter's text encoders learn, as one module with one loss.

The language model reads a caption in any wording and answers with the plain facts; half of the answers may look
at the end-of-turn token only, so that this one state has to carry all facts. Pictures go the same way: the
answer says what the picture shows. CLIP learns which caption belongs to which picture. Linear heads, thrown
away afterwards, name the facts from the states that the video model will read, at the depth where it reads.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from foundation.text.encoder import SKIP_LAYERS

if TYPE_CHECKING:
    from transformers import CLIPModel, LlavaForConditionalGeneration


@dataclass(frozen=True)
class ChatBatch:
    """Chats of a prompt and its answer, right-padded to one length L.

    Attributes:
        ids: (B, L) tokens.
        attend: (B, 1, L, L) bool, True where a row may look at a column.
        weights: (B, L) weight of predicting the token at each place; 0 for prefix and padding.
        prompt: (B, L) bool, the prompt's own tokens and the end of the user's turn.
        turn_end: (B,) place of the end of the user's turn.
        facts: (B, V) 0 or 1, tokens of the answer.
    """

    ids: Tensor
    attend: Tensor
    weights: Tensor
    prompt: Tensor
    turn_end: Tensor
    facts: Tensor


@dataclass(frozen=True)
class PictureBatch:
    """Pictures, their chats, and their captions for CLIP.

    Attributes:
        chats: one chat per picture, with the picture's tokens in the system's turn.
        pixels: (B, 3, S, S) in [-1, 1].
        caption_ids: (B, L') tokens of CLIP's tokenizer.
        same: (B, B) bool, whether two pictures show the same facts.
        caption_facts: (B, V) 0 or 1, tokens of the facts that the caption states.
    """

    chats: ChatBatch
    pixels: Tensor
    caption_ids: Tensor
    same: Tensor
    caption_facts: Tensor


class TextLearner(nn.Module):
    """Language model, CLIP, one shared vision tower, and the heads that go with training."""

    def __init__(self, mllm: "LlavaForConditionalGeneration", clip: "CLIPModel") -> None:
        super().__init__()
        self.mllm = mllm
        self.clip = clip
        clip.vision_model = mllm.model.vision_tower
        text, vocabulary = mllm.config.text_config, mllm.config.text_config.vocab_size
        self.depth = text.num_hidden_layers - SKIP_LAYERS
        self.turn_head = nn.Linear(text.hidden_size, vocabulary)
        self.prompt_head = nn.Linear(text.hidden_size, vocabulary)
        self.picture_head = nn.Linear(text.hidden_size, vocabulary)
        self.pooled_head = nn.Linear(clip.config.text_config.hidden_size, vocabulary)

    def chat_loss(self, batch: ChatBatch) -> dict[str, Tensor]:
        """Losses of chats without a picture: `answer`, `turn`, `prompt`."""
        embeds = self.mllm.get_input_embeddings()(batch.ids)
        state, losses = self._read(batch, embeds)
        return losses | {"prompt": _facts_loss(self.prompt_head(_mean(state, batch.prompt)), batch.facts)}

    def picture_loss(self, batch: PictureBatch) -> dict[str, Tensor]:
        """Losses of chats about pictures, and of CLIP: `picture_*`, `contrast`, `pooled`."""
        seen = self.mllm.model.vision_tower(batch.pixels, output_hidden_states=True)
        layer = self.mllm.config.vision_feature_layer
        features = self.mllm.model.multi_modal_projector(seen.hidden_states[layer][:, 1:])
        embeds = self.mllm.get_input_embeddings()(batch.chats.ids)
        places = batch.chats.ids == self.mllm.config.image_token_id
        embeds = embeds.masked_scatter(places[..., None], features.to(embeds.dtype))
        state, losses = self._read(batch.chats, embeds)
        looks = _facts_loss(self.picture_head(_mean(state, places)), batch.chats.facts)
        pooled = self.clip.text_model(batch.caption_ids).pooler_output
        return {
            "picture_answer": losses["answer"],
            "picture": looks,
            "contrast": self._contrast(seen.pooler_output, pooled, batch.same),
            "pooled": _facts_loss(self.pooled_head(pooled), batch.caption_facts),
        }

    def _read(self, batch: ChatBatch, embeds: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        out = self.mllm.model.language_model(
            inputs_embeds=embeds, attention_mask=batch.attend, output_hidden_states=True, use_cache=False
        )
        state = out.hidden_states[self.depth]
        wanted = batch.weights[:, 1:] > 0
        logits = self.mllm.lm_head(out.last_hidden_state[:, :-1][wanted]).float()
        weights = batch.weights[:, 1:][wanted]
        loss = F.cross_entropy(logits, batch.ids[:, 1:][wanted], reduction="none")
        ends = state[torch.arange(len(state)), batch.turn_end]
        return state, {
            "answer": (loss * weights).sum() / weights.sum(),
            "turn": _facts_loss(self.turn_head(ends), batch.facts),
        }

    def _contrast(self, image: Tensor, text: Tensor, same: Tensor) -> Tensor:
        """InfoNCE both ways; pictures of the same facts share the target instead of being told apart."""
        image = F.normalize(self.clip.visual_projection(image).float(), dim=-1)
        text = F.normalize(self.clip.text_projection(text).float(), dim=-1)
        logits = self.clip.logit_scale.float().exp().clamp(max=100) * image @ text.T
        target = same.float() / same.sum(-1, keepdim=True)
        return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def _mean(state: Tensor, mask: Tensor) -> Tensor:
    weight = mask[..., None].to(state.dtype)
    return (state * weight).sum(1) / weight.sum(1)


def _facts_loss(logits: Tensor, facts: Tensor) -> Tensor:
    """Binary cross-entropy per token of the answer, summed over the vocabulary."""
    return F.binary_cross_entropy_with_logits(logits.float(), facts, reduction="sum") / facts.sum()
