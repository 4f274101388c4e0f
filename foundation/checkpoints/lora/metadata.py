"""The LoRA's configuration in the header of a safetensors file, as diffusers writes and reads it.

One JSON text under `lora_adapter_metadata`: peft's `LoraConfig`, each key behind the part of the pipeline that it is
about (`transformer.r`), or bare where a model saved its adapter by itself.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from foundation.checkpoints.lora.pairs import Pair
from shared.config import shorten
from shared.errors import WeightsError

KEY = "lora_adapter_metadata"
PART = "transformer."

_NAME = re.compile(r"(\^?(?:\w+\.)*\w+)\$?")
LARGEST = 1e30


@dataclass(frozen=True)
class AlphaRule:
    """Each layer's alpha as a `LoraConfig` tells it.

    Attributes:
        alpha: of most layers; None: their rank.
        patterns: of others, by the end of their name, or the whole of it after a `^`; the first that fits.
        rslora: whether the update is scaled by alpha / sqrt(rank) instead of alpha / rank.
    """

    alpha: float | None = None
    patterns: Mapping[str, float] = field(default_factory=dict)
    rslora: bool = False

    @classmethod
    def read(cls, metadata: Mapping[str, str]) -> Self:
        """From a file's header; without the key every alpha is the layer's rank.

        Patterns are regular expressions in peft. Here they are a stranger's, and are taken as plain names.

        Raises:
            WeightsError: the text is damaged, of another kind of adapter, or has patterns that are no plain names.
        """
        if KEY not in metadata:
            return cls()
        config = _config(metadata[KEY])
        if config.get("use_dora"):
            raise WeightsError("it is a DoRA, which also rescales the weights: only LoRAs are read")
        patterns = config.get("alpha_pattern") or {}
        if not isinstance(patterns, dict):
            raise WeightsError(f"alpha_pattern is {shorten(patterns)}; names with numbers are expected")
        return cls(
            _number("lora_alpha", config.get("lora_alpha")),
            {_plain(name): _number(name, value) for name, value in patterns.items()},
            bool(config.get("use_rslora")),
        )

    def __call__(self, layer: str, rank: int) -> float:
        """The alpha of a layer, such that alpha / rank scales its update."""
        fitting = (alpha for name, alpha in self.patterns.items() if f"^.{layer}".endswith(_end(name)))
        alpha = next(fitting, self.alpha)
        if alpha is None:
            return float(rank)
        return alpha * math.sqrt(rank) if self.rslora else alpha


def lora_config(pairs: Mapping[str, Pair]) -> dict[str, Any]:
    """The arguments of peft's `LoraConfig` for layers and their pairs: what most have, and who differs."""
    ranks = {name: pair.rank for name, pair in pairs.items()}
    alphas = {name: _whole(pair.alpha) for name, pair in pairs.items()}
    rank, alpha = _commonest(ranks), _commonest(alphas)
    return {
        "r": rank,
        "lora_alpha": alpha,
        "rank_pattern": {f"^{name}": own for name, own in ranks.items() if own != rank},
        "alpha_pattern": {f"^{name}": own for name, own in alphas.items() if own != alpha},
        "target_modules": sorted(pairs),
    }


def written(pairs: Mapping[str, Pair]) -> dict[str, str]:
    """The entry of a file's header for layers of the transformer and their pairs."""
    config = {f"{PART}{name}": value for name, value in lora_config(pairs).items()}
    return {KEY: json.dumps(config, indent=2, sort_keys=True)}


def _config(text: str) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise WeightsError(f"its {KEY} is damaged: a JSON object is expected, not {shorten(text)}")
    own = {name.removeprefix(PART): value for name, value in config.items() if name.startswith(PART)}
    return own or config


def _number(name: str, value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= LARGEST:
        raise WeightsError(f"its {KEY} says {name} {shorten(value)}; a number is expected")
    return float(value)


def _plain(pattern: str) -> str:
    name = _NAME.fullmatch(pattern.replace("\\.", "."))
    if name is None:
        raise WeightsError(f"its {KEY} has the pattern {shorten(pattern)}; a layer's name is expected")
    return name[1]


def _end(pattern: str) -> str:
    return f"^.{pattern[1:]}" if pattern.startswith("^") else f".{pattern}"


def _commonest(values: Mapping[str, Any]) -> Any:
    return Counter(values.values()).most_common(1)[0][0]


def _whole(value: float) -> float:
    """A whole number as an integer, as peft has it."""
    return int(value) if value == int(value) else value
