"""What the starter's text encoders learn, as one module with one loss.

The language model reads a caption in any wording and answers with the plain facts; a part of the answers may
look at the end of the user's turn only, so that this one state has to carry all facts. Pictures go the same
way: the answer says what the picture shows. CLIP learns which caption belongs to which picture. Linear heads,
thrown away afterwards, name the facts from the states that the video model will read, at the depth where it
reads.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from foundation.text.encoder import SKIP_LAYERS

if TYPE_CHECKING:
    from transformers import CLIPModel, LlavaForConditionalGeneration

CAPTION_WEIGHT = 0.1
"""Weight of predicting a token of the caption; a token of the answer has 1."""

RARE = -5.0
"""First logit of any fact."""

FACTS_WEIGHT = 0.2
"""Weight of each head's cross-entropy per fact."""


@dataclass(frozen=True)
class Chats:
    """Chats of a prompt and its answer, right-padded to one length L.

    Attributes:
        ids: (B, L) tokens.
        length: (B,) tokens without padding.
        prompt: (B,) place of the prompt's first token.
        end: (B,) place of the end of the user's turn; the answer's header and the answer follow.
        narrow: (B,) bool, whether the answer sees the prompt through the end of the turn alone.
        facts: (B, V) 0 or 1, the tokens of the answer.
    """

    ids: Tensor
    length: Tensor
    prompt: Tensor
    end: Tensor
    narrow: Tensor
    facts: Tensor

    @property
    def attend(self) -> Tensor:
        """(B, 1, L, L), 0 where a row sees a column and the most negative number elsewhere."""
        place = torch.arange(self.ids.shape[1], device=self.ids.device)
        row, column = place[:, None], place[None, :]
        end = self.end[:, None, None]
        hidden = self.narrow[:, None, None] & (row > end) & (column < end)
        seen = (column <= row) & ~hidden
        return torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)[:, None]

    @property
    def said(self) -> Tensor:
        """(B, L) bool, the prompt's tokens and the end of the turn: what the video model reads."""
        place = torch.arange(self.ids.shape[1], device=self.ids.device)
        return (place >= self.prompt[:, None]) & (place <= self.end[:, None])

    def weights(self, header: int) -> Tensor:
        """(B, L) weight of predicting each token; the answer starts `header` tokens after the turn's end."""
        place = torch.arange(self.ids.shape[1], device=self.ids.device)
        answer = (place > self.end[:, None] + header) & (place < self.length[:, None])
        return answer + CAPTION_WEIGHT * self.said


class TextLearner(nn.Module):
    """Language model and CLIP with one vision tower, and the heads that go with training."""

    def __init__(self, mllm: "LlavaForConditionalGeneration", clip: "CLIPModel", header: int) -> None:
        super().__init__()
        self.mllm = mllm
        self.clip = clip
        self.header = header
        clip.vision_model = mllm.model.vision_tower
        text, vocabulary = mllm.config.text_config, mllm.config.text_config.vocab_size
        self.depth = text.num_hidden_layers - SKIP_LAYERS
        # A fact is rarely there: the heads begin at that guess instead of learning it first.
        self.heads = nn.ModuleDict(
            {
                "end": nn.Linear(text.hidden_size, vocabulary),
                "said": nn.Linear(text.hidden_size, vocabulary),
                "picture": nn.Linear(text.hidden_size, vocabulary),
                "pooled": nn.Linear(clip.config.text_config.hidden_size, vocabulary),
            }
        )
        for head in self.heads.values():
            nn.init.constant_(head.bias, RARE)

    def chats(self, chats: Chats) -> dict[str, Tensor]:
        """Losses of chats without a picture."""
        return self._read(chats, self.mllm.get_input_embeddings()(chats.ids))[1]

    def pictures(
        self, chats: Chats, pixels: Tensor, looks: Tensor, captions: Tensor, caption_facts: Tensor
    ) -> dict[str, Tensor]:
        """Losses of chats about pictures, and of CLIP.

        Args:
            chats: B chats with the picture's tokens in the system's turn.
            pixels: (B, 3, S, S) in [-1, 1].
            looks: (B, V) 0 or 1, the tokens of what each picture shows.
            captions: (B, L') each picture's caption in CLIP's tokens.
            caption_facts: (B, V) 0 or 1, the tokens of the facts that the caption states.
        """
        seen = self.mllm.model.vision_tower(pixels, output_hidden_states=True)
        layer = self.mllm.config.vision_feature_layer
        features = self.mllm.model.multi_modal_projector(seen.hidden_states[layer][:, 1:])
        embeds = self.mllm.get_input_embeddings()(chats.ids)
        places = chats.ids == self.mllm.config.image_token_id
        state, losses = self._read(chats, embeds.masked_scatter(places[..., None], features.to(embeds.dtype)))
        pooled = self.clip.text_model(captions).pooler_output
        same = (looks[:, None] == looks[None]).all(-1)
        return {
            "picture_answer": losses["answer"],
            "picture": _facts_loss(self.heads["picture"](_mean(state, places)), looks),
            "pooled": _facts_loss(self.heads["pooled"](pooled), caption_facts),
            "contrast": self._contrast(seen.pooler_output, pooled, same),
        }

    def _read(self, chats: Chats, embeds: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        out = self.mllm.model.language_model(
            inputs_embeds=embeds, attention_mask=chats.attend, output_hidden_states=True, use_cache=False
        )
        state = out.hidden_states[self.depth]
        weights = chats.weights(self.header)[:, 1:]
        wanted = weights > 0
        logits = self.mllm.lm_head(out.last_hidden_state[:, :-1][wanted]).float()
        loss = F.cross_entropy(logits, chats.ids[:, 1:][wanted], reduction="none")
        ends = state[torch.arange(len(state), device=state.device), chats.end]
        return state, {
            "answer": (loss * weights[wanted]).sum() / weights.sum(),
            "end": _facts_loss(self.heads["end"](ends), chats.facts),
            "said": _facts_loss(self.heads["said"](_mean(state, chats.said)), chats.facts),
        }

    def _contrast(self, image: Tensor, text: Tensor, same: Tensor) -> Tensor:
        """InfoNCE both ways; pictures of the same facts share the target instead of being told apart."""
        image = F.normalize(self.clip.visual_projection(image).float(), dim=-1)
        text = F.normalize(self.clip.text_projection(text).float(), dim=-1)
        logits = self.clip.logit_scale.float().exp().clamp(max=100) * image @ text.T
        target = same.float() / same.sum(-1, keepdim=True)
        return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


class TextObjective(nn.Module):
    """The weighted sum of all losses of a `TextLearner`."""

    def __init__(self, model: TextLearner) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss, and its parts by name."""
        losses = self._mean_over_groups(batch)
        about = {name: batch[name] for name in ("pixels", "looks", "captions", "caption_facts")}
        losses |= self.model.pictures(_chats(batch, "picture"), **about)
        facts = {"end", "said", "picture", "pooled"}
        loss = sum(value * (FACTS_WEIGHT if name in facts else 1.0) for name, value in losses.items())
        return loss, {name: value.detach() for name, value in losses.items()}

    def _mean_over_groups(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Losses of the chats, which come in groups of like length so that little is padded."""
        names = sorted({key.split(".")[0] for key in batch if key.startswith("chat")})
        groups = [self.model.chats(_chats(batch, name)) for name in names]
        return {part: torch.stack([group[part] for group in groups]).mean() for part in groups[0]}


def _chats(batch: dict[str, Tensor], name: str) -> Chats:
    return Chats(**{field: batch[f"{name}.{field}"] for field in Chats.__dataclass_fields__})


def _mean(state: Tensor, mask: Tensor) -> Tensor:
    weight = mask[..., None].to(state.dtype)
    return (state * weight).sum(1) / weight.sum(1)


def _facts_loss(logits: Tensor, facts: Tensor) -> Tensor:
    """Binary cross-entropy of the bag of tokens, per token that is in it."""
    return F.binary_cross_entropy_with_logits(logits.float(), facts, reduction="sum") / facts.sum()
