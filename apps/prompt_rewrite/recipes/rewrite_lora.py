"""An adapter for a chat model, on pairs of prompt and rewrite (paper, "Prompt Rewrite": LoRA on collected pairs)."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from apps.prompt_rewrite.backends.chat_model import load_chat_tokenizer
from apps.prompt_rewrite.data import PairSamples, read_pairs
from apps.prompt_rewrite.recipes.objective import AnswerObjective, load_averaged
from foundation.text.loading import load_causal_lm
from foundation.training.checkpoint import read_checkpoint
from foundation.training.config import Training
from foundation.training.trainer import Trainer, processes
from foundation.weights.folder import write_training
from shared.config import local_path
from shared.errors import ConfigError


@dataclass
class PairData:
    """Where the pairs are (`kinora rewrite --collect`), and the tokens of a packed row."""

    pairs: str = ""
    row: int = 1024


@dataclass
class Adapter:
    """The adapter's rank and scale, and parts of the names of the layers that get one; none: all linear ones."""

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    layers: list[str] = field(default_factory=list)


@dataclass
class Config:
    """Everything that `kinora train rewrite_lora` can set; `model` is the folder of a chat model."""

    model: str = ""
    training: Training = field(default_factory=lambda: Training(output="runs/rewrite_lora"))
    data: PairData = field(default_factory=PairData)
    adapter: Adapter = field(default_factory=Adapter)
    export: str = "runs/rewrite_lora/adapter"


def run(config: Config) -> Path:
    """Train, write the adapter's folder, and return where it is."""
    from peft import LoraConfig, get_peft_model

    if not config.model or not config.data.pairs:
        raise ConfigError("recipe rewrite_lora needs model=FOLDER of a chat model and data.pairs=PAIRS.jsonl")
    torch.manual_seed(config.training.seed)
    pairs = read_pairs(Path(config.data.pairs))
    base = local_path(config.model).resolve()
    samples = PairSamples(pairs, load_chat_tokenizer(base), config.data.row)
    adapter = LoraConfig(
        task_type="CAUSAL_LM",
        r=config.adapter.rank,
        lora_alpha=config.adapter.alpha,
        lora_dropout=config.adapter.dropout,
        target_modules=config.adapter.layers or "all-linear",
    )
    model = get_peft_model(load_causal_lm(base), adapter).train()
    last = Trainer(AnswerObjective(model), samples, config.training).run()
    load_averaged(model, read_checkpoint(last)[0]["ema"])
    folder = Path(config.export)
    if processes().is_main_process:
        model.save_pretrained(str(folder))
        write_training(folder, {"recipe": "rewrite_lora", **asdict(config)})
    return folder
