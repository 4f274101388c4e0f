"""What the starter's text encoders read: captions of the toybox in every wording, pictures of its clips."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from foundation.text.starter import (
    ANSWER,
    BEGIN,
    CLIP_BEGIN,
    CLIP_END,
    END_OF_TURN,
    IMAGE,
    PAD,
    PICTURE_TEMPLATE,
    TEMPLATES,
    StarterSize,
)
from foundation.text.templates import PromptTemplate
from foundation.training.trainer import Batch
from shared.toybox.captions import caption_facts, caption_scene, describe_scene
from shared.toybox.mix import toy_clip
from shared.toybox.palette import COLORS
from shared.toybox.puppet_captions import caption_puppet
from shared.toybox.puppets import Puppet, sample_puppet
from shared.toybox.sampling import sample_scene
from shared.toybox.scenes import Scene

REQUESTS = (
    "",
    "what is shown?",
    "describe the picture",
    "what do you see?",
    "describe the first frame of the video",
)
SKELETON_LOOK = "a skeleton drawing on a black background"
STRUCTURED = 0.25
"""Share of captions in the structured style; the others are free wordings."""

STILL = 0.15
"""Share of chats about a picture that is only described."""

NARROW = 0.5
"""Share of chats whose answer sees the end of the turn alone."""


@dataclass(frozen=True)
class Chat:
    """A prompt and its answer as text."""

    template: PromptTemplate
    prompt: str
    answer: str
    narrow: bool = False


def draw_subject(rng: np.random.Generator, split: str = "train") -> Scene | Puppet:
    """Something to speak of: two in five are puppets, the scenes are of every kind."""
    draw = rng.random()
    if draw < 0.4:
        return sample_puppet(rng, split=split)
    if draw < 0.6:
        return sample_scene(rng, split=split, actors=2)
    kind = {"camera": draw < 0.75, "material": draw >= 0.9}
    return sample_scene(rng, split=split, actors=1, **kind)


def say(subject: Scene | Puppet, rng: np.random.Generator, style: str, still: bool = False) -> str:
    """A caption of a scene or puppet."""
    speak = caption_puppet if isinstance(subject, Puppet) else caption_scene
    return speak(subject, rng, style, still=still)


def plain_facts(subject: Scene | Puppet, still: bool = False) -> str:
    """The one plain caption of a subject; two objects stand in the order of their colours in the palette."""
    unused = np.random.default_rng(0)
    if isinstance(subject, Puppet):
        return caption_puppet(subject, unused, "plain", still=still)
    facts = describe_scene(subject, still=still)
    order = list(COLORS)
    actors = tuple(sorted(facts.actors, key=lambda actor: order.index(actor.color)))
    return caption_facts(replace(facts, actors=actors), unused, "plain")


def draw_chat(rng: np.random.Generator, split: str = "train") -> Chat:
    """A caption in some wording, answered with its plain facts."""
    subject = draw_subject(rng, split)
    style = "structured" if rng.random() < STRUCTURED else "any"
    still = bool(rng.random() < STILL)
    template = TEMPLATES.image if still and rng.random() < 0.7 else TEMPLATES.video
    return Chat(template, say(subject, rng, style, still), plain_facts(subject, still), rng.random() < NARROW)


class ChatCodec:
    """Chats and captions as padded tensors."""

    def __init__(self, tokenizer: Tokenizer, size: StarterSize) -> None:
        self.tokenizer, self.size = tokenizer, size
        self.marks = {mark: tokenizer.token_to_id(mark) for mark in (PAD, BEGIN, END_OF_TURN, IMAGE)}
        self.header = len(self.encode(ANSWER))

    def encode(self, text: str) -> list[int]:
        """Token ids without any mark of begin or end; special tokens in the text count as such."""
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def facts(self, texts: Sequence[str]) -> Tensor:
        """(B, V) 0 or 1: which tokens a text is made of."""
        bags = torch.zeros(len(texts), self.size.vocabulary)
        for bag, text in zip(bags, texts, strict=True):
            bag[self.encode(text)] = 1.0
        return bags

    def chats(self, chats: Sequence[Chat], name: str) -> Batch:
        """The fields of `text_model.Chats`, each under `name.field`."""
        rows, starts, ends = [], [], []
        for chat in chats:
            prefix = [self.marks[BEGIN], *self.encode(self._expanded(chat.template.prefix))]
            user = [*prefix, *self.encode(chat.prompt), self.marks[END_OF_TURN]]
            rows.append([*user, *self.encode(ANSWER + chat.answer), self.marks[END_OF_TURN]])
            starts.append(len(prefix))
            ends.append(len(user) - 1)
        fields = {
            "ids": self._padded(rows, self.marks[PAD]),
            "length": torch.tensor([len(row) for row in rows]),
            "prompt": torch.tensor(starts),
            "end": torch.tensor(ends),
            "narrow": torch.tensor([bool(chat.narrow) for chat in chats]),
            "facts": self.facts([chat.answer for chat in chats]),
        }
        return {f"{name}.{field}": value for field, value in fields.items()}

    def captions(self, texts: Sequence[str]) -> Tensor:
        """(B, L) CLIP's tokens, cut to its 77."""
        begin, end = (self.tokenizer.token_to_id(mark) for mark in (CLIP_BEGIN, CLIP_END))
        return self._padded([[begin, *self.encode(text)[:75], end] for text in texts], end)

    def _expanded(self, text: str) -> str:
        return text.replace(IMAGE, IMAGE * self.size.image_tokens)

    def _padded(self, rows: list[list[int]], pad: int) -> Tensor:
        longest = max(map(len, rows))
        return torch.tensor([row + [pad] * (longest - len(row)) for row in rows])


class TextSamples:
    """Each sample is a frame of a rendered clip with a chat about it, and fresh chats without a picture.

    The chats of a batch are split into `groups` of like length, so that little is padded.
    """

    def __init__(self, clips: np.ndarray, codec: ChatCodec, chats_per_picture: int, groups: int) -> None:
        self.clips, self.codec = clips, codec
        self.chats_per_picture, self.groups = chats_per_picture, groups

    def __len__(self) -> int:
        return len(self.clips)

    def batch(self, ids: Sequence[int], generators: Sequence[np.random.Generator]) -> Batch:
        """The tensors that `TextObjective` names."""
        chats = [draw_chat(rng) for rng in generators for _ in range(self.chats_per_picture)]
        chats.sort(key=lambda chat: len(chat.prompt))
        share = -(-len(chats) // self.groups)
        pictures = [self._picture(i, rng) for i, rng in zip(ids, generators, strict=True)]
        frames, about, looks, captions, facts = (list(column) for column in zip(*pictures, strict=True))
        batch = {}
        for group in range(self.groups):
            batch |= self.codec.chats(chats[group * share : (group + 1) * share], f"chat{group}")
        return {
            **batch,
            **self.codec.chats(about, "picture"),
            "pixels": torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float() / 127.5 - 1,
            "looks": self.codec.facts(looks),
            "captions": self.codec.captions(captions),
            "caption_facts": self.codec.facts(facts),
        }

    def _picture(self, index: int, rng: np.random.Generator) -> tuple[np.ndarray, Chat, str, str, str]:
        """A frame, the chat about it, what it shows, and a caption for CLIP with its plain facts."""
        clip = toy_clip(index, frames=1, size=16)
        frame = self.clips[index, int(rng.integers(self.clips.shape[1]))]
        if clip.kind == "skeleton":
            chat = Chat(PICTURE_TEMPLATE, _pick(rng, REQUESTS), SKELETON_LOOK)
            return frame, chat, SKELETON_LOOK, SKELETON_LOOK, SKELETON_LOOK
        look, facts = plain_facts(clip.subject, still=True), plain_facts(clip.subject)
        caption = say(clip.subject, rng, "any")
        chat = (
            Chat(PICTURE_TEMPLATE, caption, facts)
            if rng.random() < 0.4
            else Chat(PICTURE_TEMPLATE, _pick(rng, REQUESTS), look)
        )
        return frame, chat, look, caption, facts


def tokenizer_texts(count: int, words: Sequence[str]) -> list[str]:
    """What the tokenizer learns its pieces from: captions, the chat's own words, and common English words."""
    rng = np.random.default_rng(0)
    texts = [*REQUESTS, SKELETON_LOOK] * 20
    for _ in range(count):
        chat = draw_chat(rng)
        texts += [chat.prompt, chat.answer]
    markup = ["system", "user", "assistant", "video", "image", "\n\n", "\n"]
    return texts + markup * 50 + [f" {word}" for word in words] * 8


def _pick(rng: np.random.Generator, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]
