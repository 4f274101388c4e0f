"""Optimisers, learning-rate schedules and progressive unfreezing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from foundation.training.sharding import part, whole


@dataclass(frozen=True)
class ProgressiveUnfreezing:
    """Groups of parameters in the order in which they thaw, the outermost layers first.

    Attributes:
        groups: prefixes of parameter names, group by group; what none of them names is trained from the start.
        steps: between one group's thaw and the next; the first group thaws at once.
    """

    groups: tuple[tuple[str, ...], ...]
    steps: int

    def frozen(self, step: int) -> tuple[str, ...]:
        """Prefixes of the parameters that still stand still."""
        return tuple(prefix for group in self.groups[1 + step // self.steps :] for prefix in group)

    def hold(self, step: int, parameters: Iterable[tuple[str, nn.Parameter]]) -> None:
        """Drop the gradients of what still stands still, so that no optimiser moves it."""
        prefixes = self.frozen(step)
        for name, parameter in parameters:
            if name.startswith(prefixes):
                parameter.grad = None


def outermost_first(blocks: list[str]) -> tuple[tuple[str, ...], ...]:
    """Blocks in the order of the network, as pairs from both of its ends inwards."""
    half = (len(blocks) + 1) // 2
    return tuple(tuple(dict.fromkeys((blocks[i], blocks[-1 - i]))) for i in range(half))


NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
NEWTON_SCHULZ_STEPS = 5


def orthogonalise(matrix: Tensor) -> Tensor:
    """The nearest semi-orthogonal matrix, roughly: a quintic Newton-Schulz iteration in bfloat16.

    Source: Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024).
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if tall else matrix).bfloat16()
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.T if tall else x).to(matrix.dtype)


class Muon(torch.optim.Optimizer):
    """Muon for matrices and convolutions (flattened to matrices), AdamW for everything else, in one optimiser.

    Of a kernel that is sharded, every process gathers the direction and makes the whole update, and takes its part.

    `torch.optim.Muon` takes matrices only; video VAEs are made of 5D kernels. Groups carry `kind`: "muon" uses
    `lr`, `momentum` and decoupled `weight_decay`; "adamw" uses `lr`, `betas`, `eps` and `weight_decay`.
    """

    def __init__(self, groups: Iterable[dict[str, Any]]) -> None:
        defaults = {"momentum": 0.95, "betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.0}
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # ty: ignore[incompatible-method-override]
        """One update of every parameter that has a gradient; closures are not taken."""
        for group in self.param_groups:
            update = self._muon if group["kind"] == "muon" else self._adamw
            for parameter in group["params"]:
                if parameter.grad is not None:
                    update(parameter, parameter.grad, group)

    def _muon(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].lerp_(gradient, 1 - group["momentum"])
        direction = gradient.lerp(state["momentum"], group["momentum"])  # Nesterov
        matrix = orthogonalise(whole(direction).flatten(1))
        scale = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(part(matrix.view(parameter.shape), parameter), alpha=-group["lr"] * scale)

    def _adamw(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state, (beta1, beta2) = self.state[parameter], group["betas"]
        if not state:
            state["step"] = torch.zeros(())
            state["mean"], state["square"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        state["step"] += 1
        step = int(state["step"])
        state["mean"].lerp_(gradient, 1 - beta1)
        state["square"].lerp_(gradient.square(), 1 - beta2)
        denominator = (state["square"] / (1 - beta2**step)).sqrt_().add_(group["eps"])
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.addcdiv_(state["mean"], denominator, value=-group["lr"] / (1 - beta1**step))


def muon(
    model: nn.Module,
    learning_rate: float,
    adamw_learning_rate: float,
    weight_decay: float = 0.0,
    outer: Sequence[str] = (),
) -> Muon:
    """Muon on the trained kernels of two axes or more, AdamW on the rest.

    Args:
        model: its parameters that require a gradient are trained.
        learning_rate: of Muon.
        adamw_learning_rate: of AdamW.
        weight_decay: decoupled, for the kernels.
        outer: parts of names of kernels that AdamW takes too: first and last layers, modulations.
    """
    inner, rest = [], []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            is_inner = parameter.ndim >= 2 and not any(part in name for part in outer)
            (inner if is_inner else rest).append(parameter)
    return Muon(
        [
            {"params": inner, "kind": "muon", "lr": learning_rate, "weight_decay": weight_decay},
            {"params": rest, "kind": "adamw", "lr": adamw_learning_rate},
        ]
    )


def trapezoid(step: int, total: int, warmup: int, decay: float) -> float:
    """Learning-rate factor in [0, 1]: linear warm-up, a plateau, and a linear end over the last `decay` of steps."""
    rise = min(1.0, (step + 1) / max(1, warmup))
    fall = min(1.0, (total - step) / max(1.0, decay * total))
    return max(0.0, min(rise, fall))
