"""The settings of the prompt rewriter's recipes, with their bounds; nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from foundation.training.config import MANY, WIDEST, Export, LlamaSize, Training
from shared.config import bounded


@dataclass
class RewriterSize(LlamaSize):
    """Widths and depths of the starter's rewriter: 1.2 million parameters."""

    vocabulary: int = bounded(3072, 300, 10**6)
    hidden: int = bounded(128, 1, WIDEST)
    layers: int = bounded(4, 1, 1000)
    heads: int = bounded(4, 1, 1000)
    mlp: int = bounded(352, 1, WIDEST)
    longest: int = bounded(768, 16, WIDEST)


@dataclass
class ToyData:
    """Pairs of one epoch, tokens of a packed row, and pairs that the tokenizer learns its pieces from."""

    pairs: int = bounded(1 << 17, 1, MANY)
    row: int = bounded(160, 16, WIDEST)
    tokenizer_pairs: int = bounded(30000, 1, MANY)


@dataclass
class RewriteConfig(Export):
    """Everything that `kinora train rewrite` can set."""

    PARTS: ClassVar[tuple[str, ...]] = ("prompt_rewrite",)

    training: Training = field(default_factory=lambda: Training(output="runs/rewrite"))
    model: RewriterSize = field(default_factory=RewriterSize)
    data: ToyData = field(default_factory=ToyData)


@dataclass
class PairData:
    """The file of pairs, and tokens of a packed row."""

    pairs: str = ""
    row: int = bounded(1024, 16, 10**6)


@dataclass
class Adapter:
    """peft's settings of the LoRA; no `layers` means all linear ones."""

    rank: int = bounded(16, 1, WIDEST)
    alpha: int = bounded(32, 1, WIDEST)
    dropout: float = bounded(0.0, 0, 0.99)
    layers: list[str] = field(default_factory=list)


@dataclass
class RewriteLoRAConfig(Export):
    """Everything that `kinora train rewrite_lora` can set: `model` is the folder of a chat model."""

    model: str = ""
    training: Training = field(default_factory=lambda: Training(output="runs/rewrite_lora"))
    data: PairData = field(default_factory=PairData)
    adapter: Adapter = field(default_factory=Adapter)
