"""What the starter's text encoders learn, as one module with one loss.

The language model reads a caption in any wording and answers with the plain facts; a part of the answers may
look at the end of the user's turn only, so that this one state has to carry all facts. CLIP learns which caption
belongs to which picture. Then the language model learns to describe what CLIP's vision tower sees. Linear heads,
thrown away afterwards, name the facts from the states that the video model will read, where it reads them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from foundation.models.text.encoder import SKIP_LAYERS

if TYPE_CHECKING:
    from transformers import CLIPModel, LlavaForConditionalGeneration

CAPTION_WEIGHT = 0.1
"""Weight of predicting a token of the caption; a token of the answer has 1."""

RARE = -5.0
"""First logit of any fact."""

FACTS_WEIGHT = 0.2
"""Weight of each head's cross-entropy per fact."""

LENGTH_GROUPS = 4


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
        asked: (B, 2, V) 0 or 1, the tokens of each object's color; none where there is no such object.
        told: (B, 2, V) 0 or 1, the tokens of the plain facts of that object alone.
    """

    ids: Tensor
    length: Tensor
    prompt: Tensor
    end: Tensor
    narrow: Tensor
    facts: Tensor
    asked: Tensor
    told: Tensor

    @property
    def attend(self) -> Tensor:
        """(B, 1, L, L), 0 where a row sees a column and the most negative number elsewhere."""
        place = torch.arange(self.ids.shape[1], device=self.ids.device)
        row, column = place[:, None], place[None, :]
        end = self.end[:, None, None]
        hidden = self.narrow[:, None, None] & (row > end) & (column < end)
        seen = (column <= row) & ~hidden
        return torch.zeros(seen.shape, device=seen.device).masked_fill(~seen, torch.finfo(torch.float32).min)[
            :, None
        ]

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


class Readout(nn.Module):
    """One look of attention, as a place in a picture takes it: a color finds what belongs to it in a caption."""

    def __init__(self, width: int, vocabulary: int) -> None:
        super().__init__()
        self.query = nn.Linear(vocabulary, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)

    def forward(self, asked: Tensor, states: Tensor, said: Tensor) -> Tensor:
        """Asked (B, n, V), states (B, L, D) of which `said` (B, L) are read -> (B, n, D)."""
        states = F.rms_norm(states, states.shape[-1:])
        query, key, value = self.query(asked), self.key(states), self.value(states)
        return F.scaled_dot_product_attention(query, key, value, attn_mask=said[:, None])


class TextLearner(nn.Module):
    """Language model and CLIP with one vision tower, and the heads that go with training."""

    def __init__(self, mllm: "LlavaForConditionalGeneration", clip: "CLIPModel", header: int) -> None:
        super().__init__()
        self.mllm = mllm
        self.clip = clip
        self.header = header
        clip.vision_model = mllm.model.vision_tower
        text, seen = mllm.config.text_config, mllm.config.vision_config.hidden_size
        self.depth = text.num_hidden_layers - SKIP_LAYERS
        widths = {"end": text.hidden_size, "said": text.hidden_size, "picture": text.hidden_size}
        widths |= {"pooled": clip.config.text_config.hidden_size, "look": seen, "bound": text.hidden_size}
        self.heads = nn.ModuleDict(
            {name: nn.Linear(width, text.vocab_size) for name, width in widths.items()}
        )
        # A fact is rarely there: the heads begin at that guess instead of learning it first.
        for head in self.heads.values():
            nn.init.constant_(head.get_parameter("bias"), RARE)
        self.readout = Readout(text.hidden_size, text.vocab_size)

    def train_only(self, *parts: nn.Module | nn.Parameter) -> None:
        """Freeze everything but these parts."""
        self.requires_grad_(False)
        for part in parts:
            part.requires_grad_(True)

    @property
    def upper(self) -> nn.ModuleList:
        """The language model's parts above the states that the video model reads."""
        decoder = self.mllm.model.language_model
        return nn.ModuleList([*decoder.layers[self.depth :], decoder.norm])

    def look(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Patch states (B, N, D) as the language model gets them, and the pooled state (B, D)."""
        seen = self.mllm.model.vision_tower(pixels, output_hidden_states=True)
        return seen.hidden_states[self.mllm.config.vision_feature_layer][:, 1:], seen.pooler_output

    def pool(self, captions: Tensor) -> Tensor:
        """CLIP's pooled state (B, D) of captions (B, L), run in groups of like length so that little is padded."""
        lengths = (captions == self.clip.config.text_config.eos_token_id).int().argmax(-1) + 1
        order = lengths.argsort()
        pooled = [
            self.clip.text_model(captions[part, : int(lengths[part].max())]).pooler_output
            for part in order.chunk(LENGTH_GROUPS)
        ]
        return torch.cat(pooled)[order.argsort()]

    def read(self, chats: Chats, patches: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The states (B, L, D) that the video model reads, and the loss of what is said after them."""
        embeds = self.mllm.get_input_embeddings()(chats.ids)
        if patches is not None:
            features = self.mllm.model.multi_modal_projector(patches).to(embeds.dtype)
            embeds = embeds.masked_scatter(self.picture_places(chats)[..., None], features)
        out = self.mllm.model.language_model(
            inputs_embeds=embeds, attention_mask=chats.attend, output_hidden_states=True, use_cache=False
        )
        weights = chats.weights(self.header)[:, 1:]
        wanted = weights > 0
        logits = self.mllm.lm_head(out.last_hidden_state[:, :-1][wanted]).float()
        loss = F.cross_entropy(logits, chats.ids[:, 1:][wanted], reduction="none")
        return out.hidden_states[self.depth], (loss * weights[wanted]).sum() / weights.sum()

    def picture_places(self, chats: Chats) -> Tensor:
        """(B, L) bool, the places of the picture's tokens."""
        return chats.ids == self.mllm.config.image_token_id

    def facts_loss(self, head: str, states: Tensor, facts: Tensor) -> Tensor:
        """Binary cross-entropy of a head's guess (B, V) of the facts, per fact that is there."""
        guess = self.heads[head](states).float()
        return F.binary_cross_entropy_with_logits(guess, facts, reduction="sum") / facts.sum().clamp(min=1)


class LanguageObjective(nn.Module):
    """First stage: captions in any wording are answered with their plain facts."""

    def __init__(self, model: TextLearner) -> None:
        super().__init__()
        self.model = model
        heads = (model.heads[name] for name in ("end", "said"))
        model.train_only(model.mllm.model.language_model, *heads)

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss, and its parts by name."""
        return _sum(_mean_over_groups(self._losses(chats) for chats in _groups(batch)))

    def _losses(self, chats: Chats) -> dict[str, Tensor]:
        return self._read(chats)[1]

    def _read(self, chats: Chats) -> tuple[Tensor, dict[str, Tensor]]:
        """The states (B, L, D), and the losses of what they say."""
        state, answer = self.model.read(chats)
        ends = state[torch.arange(len(state), device=state.device), chats.end]
        return state, {
            "answer": answer,
            "facts_end": self.model.facts_loss("end", ends, chats.facts),
            "facts_said": self.model.facts_loss("said", _mean(state, chats.said), chats.facts),
        }


class BindingObjective(LanguageObjective):
    """Second stage: what is said of an object is found by its color, so that two objects are not mixed up.

    An answer can put an object together from words that stand far apart. A video model with one look per block
    cannot, nor does its refiner know where words stand; so the states themselves have to say what belongs together.
    """

    def __init__(self, model: TextLearner) -> None:
        super().__init__(model)
        for part in (model.readout, model.heads["bound"]):
            part.requires_grad_(True)

    def _losses(self, chats: Chats) -> dict[str, Tensor]:
        state, losses = self._read(chats)
        there = chats.told.any(-1)
        found = self.model.readout(chats.asked, state, chats.said)[there]
        return losses | {"facts_bound": self.model.facts_loss("bound", found, chats.told[there])}


class ClipObjective(nn.Module):
    """Third stage: which caption belongs to which picture, and what each of the two states."""

    def __init__(self, model: TextLearner) -> None:
        super().__init__()
        self.model = model
        clip, heads = model.clip, (model.heads[name] for name in ("pooled", "look"))
        projections = (clip.text_projection, clip.visual_projection, clip.logit_scale)
        model.train_only(clip.text_model, model.mllm.model.vision_tower, *projections, *heads)

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss, and its parts by name; the first captions belong to the pictures, in their order."""
        looks = batch["looks"]
        patches, image = self.model.look(batch["pixels"])
        pooled = self.model.pool(batch["captions"])
        same = (looks[:, None] == looks[None]).all(-1)
        return _sum(
            {
                "contrast": self._contrast(image, pooled[: len(image)], same),
                "facts_pooled": self.model.facts_loss("pooled", pooled, batch["caption_facts"]),
                "facts_look": self.model.facts_loss("look", patches.mean(1), looks),
            }
        )

    def _contrast(self, image: Tensor, text: Tensor, same: Tensor) -> Tensor:
        """InfoNCE both ways; pictures of the same facts share the target instead of being told apart."""
        clip = self.model.clip
        image = F.normalize(clip.visual_projection(image).float(), dim=-1)
        text = F.normalize(clip.text_projection(text).float(), dim=-1)
        logits = clip.logit_scale.float().exp().clamp(max=100) * image @ text.T
        target = same.float() / same.sum(-1, keepdim=True)
        return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


class EyesObjective(nn.Module):
    """Fourth stage: pictures are described; neither what the video model reads nor CLIP changes any more."""

    def __init__(self, model: TextLearner) -> None:
        super().__init__()
        self.model = model
        model.train_only(model.upper, model.mllm.model.multi_modal_projector, model.heads["picture"])

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss, and its parts by name."""
        chats = _chats(batch, "picture")
        with torch.no_grad():
            patches, _ = self.model.look(batch["pixels"])
        state, answer = self.model.read(chats, patches)
        seen = _mean(state, self.model.picture_places(chats))
        losses = _mean_over_groups({"answer": self.model.read(chats)[1]} for chats in _groups(batch))
        losses |= {
            "picture_answer": answer,
            "facts_picture": self.model.facts_loss("picture", seen, batch["looks"]),
        }
        return _sum(losses)


@torch.no_grad()
def rescale(model: TextLearner, factor: float) -> None:
    """Multiply the language model's hidden states by a power of two without any change in what it says.

    Muon makes wide states; what reads them starts better from about 1. Every block normalises its input, so
    scaling all that is written to the residual stream, and the last norm's weight inversely, changes nothing
    else (but for the norms' epsilon, which is far below trained states).
    """
    decoder = model.mllm.model.language_model
    writers = [decoder.embed_tokens.weight]
    for layer in decoder.layers:
        writers += [layer.self_attn.o_proj.weight, layer.mlp.down_proj.weight]
    projector = model.mllm.model.multi_modal_projector.linear_2
    for tensor in [*writers, projector.weight, projector.bias]:
        tensor.mul_(factor)
    # The output head is the embedding, so the norm makes up for both.
    decoder.norm.weight.div_(factor)


def _sum(losses: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    weighted = [loss * (FACTS_WEIGHT if name.startswith("facts") else 1.0) for name, loss in losses.items()]
    return torch.stack(weighted).sum(), {name: loss.detach() for name, loss in losses.items()}


def _groups(batch: dict[str, Tensor]) -> list[Chats]:
    """The chats without a picture, in groups of like length so that little is padded."""
    names = sorted({key.split(".")[0] for key in batch if key.startswith("chat")})
    return [_chats(batch, name) for name in names]


def _mean_over_groups(losses: Iterable[dict[str, Tensor]]) -> dict[str, Tensor]:
    groups = list(losses)
    return {name: torch.stack([group[name] for group in groups]).mean() for name in groups[0]}


def _chats(batch: dict[str, Tensor], name: str) -> Chats:
    return Chats(**{field: batch[f"{name}.{field}"] for field in Chats.__dataclass_fields__})


def _mean(state: Tensor, mask: Tensor) -> Tensor:
    weight = mask[..., None].to(state.dtype)
    return (state * weight).sum(1) / weight.sum(1)
