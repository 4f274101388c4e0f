"""What both recipes minimise: the answer's surprise, given the prompt."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from apps.prompt_rewrite.data.packing import IGNORED


class AnswerObjective(nn.Module):
    """Cross-entropy of answers alone, over packed rows."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss, and the share of answer tokens that are the likeliest."""
        states = self.model(input_ids=batch["ids"], position_ids=batch["positions"], use_cache=False)
        wanted = batch["labels"][:, 1:]
        answered = wanted != IGNORED
        logits = states.logits[:, :-1][answered].float()
        loss = F.cross_entropy(logits, wanted[answered])
        right = (logits.argmax(-1) == wanted[answered]).float().mean()
        return loss, {"right": right.detach()}


def load_averaged(model: nn.Module, averaged: dict[str, Tensor]) -> None:
    """Put a checkpoint's averaged weights into the model that was trained."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in averaged:
                parameter.copy_(averaged[name])
