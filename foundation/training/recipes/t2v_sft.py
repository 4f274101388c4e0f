"""Fine-tuning of all weights on a small, well-chosen folder: the recipe `t2v` with settings and a name of its own."""

from pathlib import Path

from foundation.training.recipes import t2v

Config = t2v.Config


def run(config: Config) -> Path:
    """As `t2v.run`."""
    return t2v.run(config, "t2v_sft")
