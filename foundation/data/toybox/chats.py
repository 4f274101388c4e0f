"""What the starter's text encoders read: captions of the toybox in every wording, pictures of its clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from foundation.data.loading import Batch
from foundation.models.text.starter import (
    ANSWER,
    BEGIN,
    CLIP_BEGIN,
    CLIP_END,
    END_OF_TURN,
    IMAGE,
    PAD,
    PICTURE_TEMPLATE,
    TEMPLATES,
)
from foundation.models.text.templates import PromptTemplate
from shared.toybox.mix import toy_clip
from shared.toybox.puppets.captions import caption_puppet
from shared.toybox.puppets.puppet import Puppet, sample_puppet
from shared.toybox.scenes.captions import Style, caption_facts, caption_scene, describe_scene
from shared.toybox.scenes.sampling import Split, pick, sample_scene
from shared.toybox.scenes.scene import Scene
from shared.toybox.scenes.vocabulary import COLORS

if TYPE_CHECKING:
    from foundation.training.config import StarterSize

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

OBJECTS = 2
"""Objects in a scene at most."""

ASKED = 0.6
"""Share of chats about a picture that ask what it shows; the others tell what happens in the clip."""


@dataclass(frozen=True)
class Chat:
    """A prompt and its answer as text, and what it says of each object: the color, and the plain facts of it alone."""

    template: PromptTemplate
    prompt: str
    answer: str
    narrow: bool = False
    things: tuple[tuple[str, str], ...] = ()


def draw_subject(rng: np.random.Generator, split: Split = "train") -> Scene | Puppet:
    """Something to speak of: two in five are puppets, the scenes are of every kind."""
    draw = rng.random()
    if draw < 0.4:
        return sample_puppet(rng, split=split)
    if draw < 0.6:
        return sample_scene(rng, split=split, actors=2)
    return sample_scene(rng, split=split, actors=1, camera=draw < 0.75, material=draw >= 0.9)


def say(subject: Scene | Puppet, rng: np.random.Generator, style: Style, still: bool = False) -> str:
    """A caption of a scene or puppet."""
    if isinstance(subject, Puppet):
        return caption_puppet(subject, rng, style, still=still)
    return caption_scene(subject, rng, style, still=still)


def plain_facts(subject: Scene | Puppet, still: bool = False) -> str:
    """The one plain caption of a subject; two objects stand in the order of their colours in the palette."""
    unused = np.random.default_rng(0)
    if isinstance(subject, Puppet):
        return caption_puppet(subject, unused, "plain", still=still)
    facts = describe_scene(subject, still=still)
    order = list(COLORS)
    actors = tuple(sorted(facts.actors, key=lambda actor: order.index(actor.color)))
    return caption_facts(replace(facts, actors=actors), unused, "plain")


def things(subject: Scene | Puppet, still: bool = False) -> tuple[tuple[str, str], ...]:
    """The color of each object of a scene, and the plain caption as if there were no other."""
    if isinstance(subject, Puppet):
        return ()
    facts, unused = describe_scene(subject, still=still), np.random.default_rng(0)
    alone = [replace(facts, actors=(actor,)) for actor in facts.actors]
    return tuple((one.actors[0].color, caption_facts(one, unused, "plain")) for one in alone)


def draw_chat(rng: np.random.Generator, split: Split = "train") -> Chat:
    """A caption in some wording, answered with its plain facts."""
    subject = draw_subject(rng, split)
    style = "structured" if rng.random() < STRUCTURED else "any"
    still = bool(rng.random() < STILL)
    template = TEMPLATES.image if still and rng.random() < 0.7 else TEMPLATES.video
    prompt, answer = say(subject, rng, style, still), plain_facts(subject, still)
    return Chat(template, prompt, answer, bool(rng.random() < NARROW), things(subject, still))


class ChatCodec:
    """Chats and captions as padded tensors."""

    def __init__(self, tokenizer: Tokenizer, size: StarterSize) -> None:
        self.tokenizer, self.size = tokenizer, size
        marks = (PAD, BEGIN, END_OF_TURN, IMAGE, CLIP_BEGIN, CLIP_END)
        self.marks = {mark: tokenizer.get_vocab()[mark] for mark in marks}
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
            "narrow": torch.tensor([chat.narrow for chat in chats]),
            "facts": self.facts([chat.answer for chat in chats]),
            "asked": self._of_objects(chats, 0),
            "told": self._of_objects(chats, 1),
        }
        return {f"{name}.{field}": value for field, value in fields.items()}

    def _of_objects(self, chats: Sequence[Chat], part: int) -> Tensor:
        """(B, OBJECTS, V) tokens of one part of what each chat says of its objects, empty where it has fewer."""
        blank = [("", "")] * OBJECTS
        rows = [[*chat.things, *blank][:OBJECTS] for chat in chats]
        texts = [f" {thing[part]}" if thing[part] else "" for row in rows for thing in row]
        return self.facts(texts).unflatten(0, (len(chats), OBJECTS))

    def captions(self, texts: Sequence[str]) -> Tensor:
        """(B, L) CLIP's tokens, cut to its 77."""
        begin, end = self.marks[CLIP_BEGIN], self.marks[CLIP_END]
        return self._padded([[begin, *self.encode(text)[:75], end] for text in texts], end)

    def _expanded(self, text: str) -> str:
        return text.replace(IMAGE, IMAGE * self.size.image_tokens)

    def _padded(self, rows: list[list[int]], pad: int) -> Tensor:
        longest = max(map(len, rows))
        return torch.tensor([row + [pad] * (longest - len(row)) for row in rows])


class ChatSamples:
    """Fresh chats in every batch, split into `groups` of like length so that little is padded."""

    def __init__(self, codec: ChatCodec, groups: int, length: int) -> None:
        self.codec, self.groups, self.length = codec, groups, length

    def __len__(self) -> int:
        return self.length

    def batch(self, ids: Sequence[int], generators: Sequence[np.random.Generator]) -> Batch:
        """What `LanguageObjective` reads."""
        chats = sorted((draw_chat(rng) for rng in generators), key=lambda chat: len(chat.prompt))
        share = -(-len(chats) // self.groups)
        batch: Batch = {}
        for group in range(self.groups):
            batch |= self.codec.chats(chats[group * share : (group + 1) * share], f"chat{group}")
        return batch


class PictureSamples:
    """Frames of rendered clips with what may be said about them."""

    def __init__(self, clips: np.ndarray, codec: ChatCodec) -> None:
        self.clips, self.codec = clips, codec

    def __len__(self) -> int:
        return len(self.clips)

    def pixels(self, ids: Sequence[int], generators: Sequence[np.random.Generator]) -> Tensor:
        """(B, 3, S, S) in [-1, 1], a random frame of each clip."""
        frames = [
            self.clips[i, int(rng.integers(self.clips.shape[1]))]
            for i, rng in zip(ids, generators, strict=True)
        ]
        return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float() / 127.5 - 1

    def look(self, index: int) -> str:
        """What any frame of a clip shows."""
        subject, drawing = _shown(index)
        return SKELETON_LOOK if drawing else plain_facts(subject, still=True)


class CaptionSamples(PictureSamples):
    """Pictures with their captions, and `extra` captions of other clips with each."""

    def __init__(self, clips: np.ndarray, codec: ChatCodec, extra: int) -> None:
        super().__init__(clips, codec)
        self.extra = extra

    def batch(self, ids: Sequence[int], generators: Sequence[np.random.Generator]) -> Batch:
        """What `ClipObjective` reads."""
        told = [self._told(i, rng) for i, rng in zip(ids, generators, strict=True)]
        for rng in generators:
            others = [draw_chat(rng) for _ in range(self.extra)]
            told += [(chat.prompt, chat.answer) for chat in others]
        return {
            "pixels": self.pixels(ids, generators),
            "looks": self.codec.facts([self.look(i) for i in ids]),
            "captions": self.codec.captions([caption for caption, _ in told]),
            "caption_facts": self.codec.facts([facts for _, facts in told]),
        }

    def _told(self, index: int, rng: np.random.Generator) -> tuple[str, str]:
        """A caption and the plain facts that it states."""
        subject, drawing = _shown(index)
        if drawing:
            return SKELETON_LOOK, SKELETON_LOOK
        return say(subject, rng, "structured" if rng.random() < STRUCTURED else "any"), plain_facts(subject)


class EyesSamples(PictureSamples):
    """Chats about pictures, and as many without, so that reading is not forgotten."""

    def __init__(self, clips: np.ndarray, codec: ChatCodec, groups: int) -> None:
        super().__init__(clips, codec)
        self.chats = ChatSamples(codec, groups, len(clips))

    def batch(self, ids: Sequence[int], generators: Sequence[np.random.Generator]) -> Batch:
        """What `EyesObjective` reads."""
        about = [self._chat(i, rng) for i, rng in zip(ids, generators, strict=True)]
        return {
            **self.codec.chats(about, "picture"),
            **self.chats.batch(ids, generators),
            "pixels": self.pixels(ids, generators),
            "looks": self.codec.facts([self.look(i) for i in ids]),
        }

    def _chat(self, index: int, rng: np.random.Generator) -> Chat:
        """A request that is answered with the look, or a caption that is answered with its facts."""
        subject, drawing = _shown(index)
        if drawing or rng.random() < ASKED:
            return Chat(PICTURE_TEMPLATE, pick(rng, REQUESTS), self.look(index))
        return Chat(PICTURE_TEMPLATE, say(subject, rng, "any"), plain_facts(subject))


@lru_cache(maxsize=1 << 15)
def _shown(index: int) -> tuple[Scene | Puppet, bool]:
    """The subject of a training clip, and whether the clip is the drawing of its skeleton."""
    clip = toy_clip(index, frames=1, size=16)
    return clip.subject, clip.kind == "skeleton"


def tokenizer_texts(count: int, words: Sequence[str]) -> list[str]:
    """What the tokenizer learns its pieces from: captions, the chat's own words, and common English words."""
    rng = np.random.default_rng(0)
    texts = [*REQUESTS, SKELETON_LOOK] * 20
    for _ in range(count):
        chat = draw_chat(rng)
        texts += [chat.prompt, chat.answer]
    markup = ["system", "user", "assistant", "video", "image", "\n\n", "\n"]
    return texts + markup * 50 + [f" {word}" for word in words] * 8
