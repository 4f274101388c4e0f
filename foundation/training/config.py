"""Settings that every recipe shares."""

from dataclasses import dataclass, field


@dataclass
class Training:
    """One run of the trainer. Learning rates are peak values of a trapezoid schedule.

    `adamw_layers` are parts of the names of kernels that AdamW trains although Muon could. `workers` processes make
    data ahead. `trackers` are names that accelerate knows (tensorboard, wandb, ...), beside the CSV. Every
    `watch_every` steps the averaged weights are looked at, where the recipe has something to look at; 0 never does.
    """

    output: str = "runs/run"
    seed: int = 0
    steps: int = 1000
    batch_size: int = 32
    accumulate: int = 1
    learning_rate: float = 0.02
    adamw_learning_rate: float = 1e-3
    adamw_layers: list[str] = field(default_factory=list)
    weight_decay: float = 0.0
    warmup: int = 50
    decay: float = 0.5
    gradient_clip: float = 1.0
    ema_decay: float = 0.999
    precision: str = "bf16"
    checkpoint_minutes: float = 3.0
    keep_checkpoints: int = 2
    log_every: int = 20
    watch_every: int = 0
    workers: int = 0
    trackers: list[str] = field(default_factory=list)
