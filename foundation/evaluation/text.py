"""How much of a prompt's facts the starter's text encoders carry, on combinations that training never saw.

Linear probes are fitted on the frozen states of training captions and read held-out ones; answers and picture
captions are generated greedily and compared word by word.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from foundation.checkpoints.text_encoders import load_text_encoder
from foundation.data.toybox.chats import Chat, draw_chat, plain_facts, say
from foundation.evaluation.report import Scores
from foundation.models.text import TextEncoder
from foundation.models.text.starter import ANSWER, IMAGE, PICTURE_TEMPLATE
from shared.toybox.mix import toy_clip
from shared.toybox.puppets.puppet import Puppet, sample_puppet
from shared.toybox.scenes.sampling import Split, sample_scene
from shared.toybox.scenes.scene import Scene

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SCENE_FACTS = ("color", "shape", "motion", "background")
PUPPET_FACTS = ("hair", "clothes", "background", "expression", "action")
CHUNK = 64


def evaluate_text(folder: Path, count: int) -> Scores:
    """Judge the text encoders of a model folder on about `count` held-out cases each.

    Rows are `STATE, WORLD` for the probes (the mean of the prompt's states, the one at the end of the turn,
    CLIP's pooled vector), then the answers that the language model writes about captions and pictures.
    """
    encoder = load_text_encoder(folder, dtype=torch.float32)
    shares: dict[str, dict[str, float]] = {}
    for world, facts in (("scenes", SCENE_FACTS), ("puppets", PUPPET_FACTS)):
        known, known_facts = _states(encoder, world, "train", 4 * count)
        new, new_facts = _states(encoder, world, "heldout", count)
        for state in known:
            shares[f"{state}, {world}"] = {
                fact: _probe(known[state], known_facts[fact], new[state], new_facts[fact]) for fact in facts
            }
    shares |= {"answers to captions": {"whole": _answers(encoder, count)}}
    return Scores("text", {"cases": count}, shares | _picture_answers(encoder, folder, count))


def _subject(rng: np.random.Generator, world: str, split: Split) -> Scene | Puppet:
    return sample_puppet(rng, split=split) if world == "puppets" else sample_scene(rng, split=split, actors=1)


def _states(
    encoder: TextEncoder, world: str, split: Split, count: int
) -> tuple[dict[str, Tensor], dict[str, list[str]]]:
    """States (N, D) by name, and each fact's words (N)."""
    rng = np.random.default_rng([1, split == "heldout"])
    states: dict[str, list[Tensor]] = {"mean": [], "end of turn": [], "pooled": []}
    names = PUPPET_FACTS if world == "puppets" else SCENE_FACTS
    words: dict[str, list[str]] = {name: [] for name in names}
    for _ in range(0, count, CHUNK):
        subjects = [_subject(rng, world, split) for _ in range(CHUNK)]
        texts = [say(s, rng, "structured" if rng.random() < 0.25 else "any") for s in subjects]
        text = encoder(texts)
        mask = torch.ones(text.embeds.shape[:2], dtype=torch.bool) if text.mask is None else text.mask
        last = mask.sum(1) - 1
        states["mean"].append((text.embeds * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))
        states["end of turn"].append(text.embeds[torch.arange(len(last)), last])
        states["pooled"].append(text.pooled)
        for name in names:
            words[name] += [_word(subject, name) for subject in subjects]
    return {name: torch.cat(parts) for name, parts in states.items()}, words


def _word(subject: Scene | Puppet, fact: str) -> str:
    if isinstance(subject, Scene) and fact != "background":
        return getattr(subject.actors[0], fact)
    return getattr(subject, fact)


def _probe(known: Tensor, known_words: Sequence[str], new: Tensor, new_words: Sequence[str]) -> float:
    """Accuracy on the new states of a logistic regression fitted on the known ones."""
    names = sorted(set(known_words))
    target = torch.tensor([names.index(word) for word in known_words])
    mean, spread = known.mean(0), known.std(0) + 1e-6
    known, new = (known - mean) / spread, (new - mean) / spread
    probe = nn.Linear(known.shape[1], len(names))
    optimizer = torch.optim.LBFGS(probe.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = nn.functional.cross_entropy(probe(known), target) + 1e-3 * probe.weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    guesses = probe(new).argmax(-1).tolist()
    return float(np.mean([names[g] == word for g, word in zip(guesses, new_words, strict=True)]))


def _answers(encoder: TextEncoder, count: int) -> float:
    """Share of held-out captions whose generated answer is right to the letter."""
    rng = np.random.default_rng(2)
    chats = [draw_chat(rng, "heldout") for _ in range(count)]
    return _share(chats, _generate(encoder, chats))


def _picture_answers(encoder: TextEncoder, folder: Path, count: int) -> dict[str, dict[str, float]]:
    """Share of held-out pictures whose generated caption is right, whole and by fact."""
    from transformers import CLIPImageProcessor

    processor = CLIPImageProcessor.from_pretrained(folder / "image_processor")
    rng = np.random.default_rng(3)
    shares = {}
    for world in ("scenes", "materials", "puppets"):
        clips = [toy_clip(seed, world, "heldout") for seed in range(count // 2)]
        frames = [clip.frames[int(rng.integers(len(clip.frames)))] for clip in clips]
        pixels = processor(list(frames), return_tensors="pt")["pixel_values"]
        chats = [Chat(PICTURE_TEMPLATE, "what is shown?", plain_facts(c.subject, still=True)) for c in clips]
        answers = _generate(encoder, chats, pixels)
        row = {"whole": _share(chats, answers)}
        for fact in ("hair", "clothes") if world == "puppets" else ("color", "shape", "background"):
            told = [_word(c.subject, fact) in a for c, a in zip(clips, answers, strict=True)]
            row[fact] = float(np.mean(told))
        shares[f"pictures, {world}"] = row
    return shares


def _share(chats: Sequence[Chat], answers: Sequence[str]) -> float:
    return float(np.mean([chat.answer == answer for chat, answer in zip(chats, answers, strict=True)]))


@torch.no_grad()
def _generate(encoder: TextEncoder, chats: Sequence[Chat], pixels: Tensor | None = None) -> list[str]:
    """What the model answers, greedily."""
    model: PreTrainedModel = encoder.mllm.model
    tokenizer: PreTrainedTokenizerBase = encoder.mllm.tokenizer
    image = IMAGE * model.config.image_seq_length
    answers: list[str] = []
    for start in range(0, len(chats), CHUNK):
        part = chats[start : start + CHUNK]
        texts = [c.template.render(c.prompt).replace(IMAGE, image) + ANSWER for c in part]
        inputs = dict(tokenizer(texts, padding=True, padding_side="left", return_tensors="pt"))
        prompt_length = inputs["input_ids"].shape[1]
        if pixels is not None:
            inputs["pixel_values"] = pixels[start : start + CHUNK]
        ids = model.generate(**inputs, max_new_tokens=48, do_sample=False)[:, prompt_length:]
        answers += [text.strip() for text in tokenizer.batch_decode(ids, skip_special_tokens=True)]
    return answers
