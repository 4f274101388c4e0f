"""Progressive unfreezing: layers join the training one group after the other."""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn


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
