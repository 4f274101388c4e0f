"""The moving average of the weights that are trained."""

from collections.abc import Iterable

import torch
from diffusers.training_utils import EMAModel
from torch import nn


class MovingAverage(EMAModel):
    """diffusers' moving average with an update in place: its own takes a copy of all weights in every step."""

    @torch.no_grad()
    def step(self, parameters: Iterable[nn.Parameter]) -> None:
        """Move towards the weights as they are now; early on the average follows them faster."""
        self.optimization_step += 1
        self.cur_decay_value = self.get_decay(self.optimization_step)
        torch._foreach_lerp_(self.shadow_params, list(parameters), 1 - self.cur_decay_value)
