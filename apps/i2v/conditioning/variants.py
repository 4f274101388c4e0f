"""How weights want to be given their picture: those of this project, and the two released variants."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from foundation.checkpoints.registry import APP_FILE

ConditionType = Literal["latent_concat", "token_replace"]


@dataclass(frozen=True)
class Variant:
    """What differs between weights of one architecture.

    Attributes:
        first_only: they know a first picture, and neither keyframes nor clips to go on from.
        image_stride: every n-th state of the picture's tokens stands before the prompt's; 0: none.
        dropped_frames: decoded frames that are thrown away at the beginning.
        shifts: of the schedule, without and with `stability`; None: the model folder's.
    """

    first_only: bool = False
    image_stride: int = 0
    dropped_frames: int = 0
    shifts: tuple[float, float] | None = None


OWN = Variant()
RELEASED: dict[ConditionType, Variant] = {
    "latent_concat": Variant(first_only=True, image_stride=2, dropped_frames=4, shifts=(17.0, 7.0)),
    "token_replace": Variant(first_only=True, image_stride=4, shifts=(17.0, 7.0)),
}
"""Facts of the released weights: their condition type tells which they are."""


def variant_of(condition: ConditionType, folder: Path) -> Variant:
    """The variant of weights of a condition type whose model lies in a folder; ours say what made them."""
    return OWN if (folder / APP_FILE).is_file() else RELEASED[condition]
