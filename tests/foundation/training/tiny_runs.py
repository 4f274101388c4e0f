"""Runs of the trainer that take a moment."""

import numpy as np
import torch
from torch import nn

from foundation.training.checkpoint import checkpoints, read_checkpoint
from foundation.training.config import Training


class Regression(nn.Module):
    """Learns to double its input; a stand-in for a model that takes hours."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(4, 8), nn.SiLU(), nn.Linear(8, 4))

    def forward(self, batch):
        loss = (self.model(batch["x"]) - 2 * batch["x"]).square().mean()
        return loss, {"error": loss.detach()}


class Draws:
    """Samples whose numbers come from their own generators; it can fail at a given batch."""

    def __init__(self, fail_at=None):
        self.seen, self.fail_at = [], fail_at

    def __len__(self):
        return 10

    def batch(self, ids, generators):
        if len(self.seen) == self.fail_at:
            raise RuntimeError("killed")
        self.seen.append(list(ids))
        return {"x": torch.from_numpy(np.stack([g.standard_normal(4, dtype=np.float32) for g in generators]))}


def config(output, **changes):
    values = {"steps": 12, "batch_size": 3, "precision": "no", "checkpoint_minutes": 0.0, "log_every": 1}
    return Training(output=str(output), **{**values, **changes})


def final_weights(output):
    return read_checkpoint(checkpoints(output / "checkpoints")[-1])[0]
