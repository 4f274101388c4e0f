"""An adapter for a chat model, on pairs of prompt and rewrite (paper, "Prompt Rewrite": LoRA on collected pairs)."""

from dataclasses import asdict
from pathlib import Path

import torch

from apps.prompt_rewrite.backends.chat_model import load_chat_tokenizer
from apps.prompt_rewrite.data.pairs import PairSamples, read_pairs
from apps.prompt_rewrite.training.config import RewriteLoRAConfig as Config
from apps.prompt_rewrite.training.objective import AnswerObjective, load_averaged
from foundation.checkpoints.model_folder import write_training
from foundation.checkpoints.text_encoders import load_causal_lm
from foundation.training.checkpoint import read_averaged
from foundation.training.trainer import Trainer, processes
from shared.config import local_path
from shared.errors import ConfigError


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
    load_averaged(model, read_averaged(last))
    folder = config.folder
    if processes().is_main_process:
        model.save_pretrained(str(folder))
        write_training(folder, {"recipe": "rewrite_lora", **asdict(config)})
    return folder
