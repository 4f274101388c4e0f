"""The recipe of the starter's rewriter: from nothing, on prompts that are made as it trains."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from apps.prompt_rewrite.data import ToyPairs, draw_pair
from apps.prompt_rewrite.languages import normal_form
from apps.prompt_rewrite.model import (
    RewriterSize,
    build_rewriter,
    chat_tokenizer,
    rewriter_tokenizer,
    save_rewriter,
)
from apps.prompt_rewrite.recipes.objective import AnswerObjective, load_averaged
from foundation.training.checkpoint import read_checkpoint
from foundation.training.config import Training
from foundation.training.trainer import Trainer
from foundation.weights.folder import write_training

FOLDER = "prompt_rewrite"


@dataclass
class ToyData:
    """Pairs of one epoch, tokens of a packed row, and pairs that the tokenizer learns its pieces from."""

    pairs: int = 1 << 17
    row: int = 160
    tokenizer_pairs: int = 30000


@dataclass
class Config:
    """Everything that `kinora train rewrite` can set."""

    training: Training = field(default_factory=lambda: Training(output="runs/rewrite"))
    model: RewriterSize = field(default_factory=RewriterSize)
    data: ToyData = field(default_factory=ToyData)
    export: str = "weights/starter"


def run(config: Config) -> Path:
    """Train, write the rewriter's folder, and return where it is."""
    torch.manual_seed(config.training.seed)
    tokenizer = chat_tokenizer(_tokenizer(config), config.model.longest)
    model = build_rewriter(config.model, tokenizer)
    # Plain matrix products have the faster backward pass on a CPU for rows this short.
    model.set_attn_implementation("eager")
    samples = ToyPairs(tokenizer, config.data.row, config.data.pairs)
    last = Trainer(AnswerObjective(model), samples, config.training).run()
    load_averaged(model, read_checkpoint(last)[0]["ema"])
    model.set_attn_implementation("sdpa")
    folder = Path(config.export) / FOLDER
    save_rewriter(folder, model, tokenizer)
    write_training(folder, {"recipe": "rewrite", **asdict(config)})
    return folder


def _tokenizer(config: Config) -> Tokenizer:
    """The run's tokenizer, trained at the first call and kept beside the checkpoints."""
    path = Path(config.training.output) / "tokenizer.json"
    if not path.exists():
        rng = np.random.default_rng(config.training.seed)
        pairs = [draw_pair(rng) for _ in range(config.data.tokenizer_pairs)]
        texts = [text for pair in pairs for text in (normal_form(pair.prompt), pair.rewrite, pair.mode)]
        tokenizer = rewriter_tokenizer(texts, config.model.vocabulary)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        tokenizer.save(str(part))
        part.rename(path)
    return Tokenizer.from_file(str(path))
