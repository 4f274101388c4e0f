"""The recipe of the starter's rewriter: from nothing, on prompts that are made as it trains."""

from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from apps.prompt_rewrite.data.pairs import ToyPairs, draw_pair
from apps.prompt_rewrite.languages import normal_form
from apps.prompt_rewrite.model import (
    build_rewriter,
    chat_tokenizer,
    rewriter_tokenizer,
    save_rewriter,
)
from apps.prompt_rewrite.training.config import RewriteConfig as Config
from apps.prompt_rewrite.training.objective import AnswerObjective, load_averaged
from foundation.checkpoints.model_folder import write_training
from foundation.models.text.starter import kept_tokenizer
from foundation.training.checkpoint import read_averaged
from foundation.training.trainer import Trainer, processes

FOLDER = "prompt_rewrite"


def run(config: Config) -> Path:
    """Train, write the rewriter's folder, and return where it is."""
    torch.manual_seed(config.training.seed)
    with processes().main_process_first():
        kept = kept_tokenizer(
            Path(config.training.output) / "tokenizer.json", partial(_train_tokenizer, config)
        )
    tokenizer = chat_tokenizer(kept, config.model.longest)
    model = build_rewriter(config.model, tokenizer)
    # Plain matrix products have the faster backward pass on a CPU for rows this short.
    model.set_attn_implementation("eager")
    samples = ToyPairs(tokenizer, config.data.row, config.data.pairs)
    last = Trainer(AnswerObjective(model), samples, config.training).run()
    load_averaged(model, read_averaged(last))
    model.set_attn_implementation("sdpa")
    folder = config.folder / FOLDER
    if processes().is_main_process:
        save_rewriter(folder, model, tokenizer)
        write_training(folder, {"recipe": "rewrite", **asdict(config)})
    return folder


def _train_tokenizer(config: Config) -> Tokenizer:
    rng = np.random.default_rng(config.training.seed)
    pairs = [draw_pair(rng) for _ in range(config.data.tokenizer_pairs)]
    texts = [text for pair in pairs for text in (normal_form(pair.prompt), pair.rewrite, pair.mode)]
    return rewriter_tokenizer(texts, config.model.vocabulary)
