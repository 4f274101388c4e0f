"""Fine-tuning on clips of people: the recipe `i2v` with settings and a name of its own."""

from pathlib import Path

from apps.i2v.training import i2v

Config = i2v.Config


def run(config: Config) -> Path:
    """As `i2v.run`."""
    return i2v.run(config, "i2v_portrait")
