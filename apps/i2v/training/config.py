"""The settings of every recipe of image-to-video, with their bounds; nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from foundation.models.geometry import FRAME_STRIDE
from foundation.training.config import LONGEST_CLIP, MANY, Export, FlowRecipe, LoRASettings
from shared.config import bounded
from shared.errors import ConfigError


@dataclass
class PatternShares:
    """How often each pattern is drawn, relative to the others.

    Raises:
        ConfigError: all shares are 0.
    """

    first: float = bounded(0.45, 0, 1e6)
    both_ends: float = bounded(0.2, 0, 1e6)
    keyframes: float = bounded(0.15, 0, 1e6)
    continued: float = bounded(0.2, 0, 1e6)

    def __post_init__(self) -> None:
        shares = self.as_list()
        if min(shares) < 0 or not sum(shares) > 0:
            raise ConfigError(
                f"shares of patterns are {shares}; none may be negative, and one must be above 0"
            )

    def as_list(self) -> list[float]:
        """In the order of `draw_pattern`."""
        return [self.first, self.both_ends, self.keyframes, self.continued]


@dataclass
class People:
    """Which clips of a folder are left out for what they show of people.

    `detector` is a file of weights of torchvision's `fasterrcnn_mobilenet_v3_large_320_fpn`; without one nothing is
    left out. `looks` frames of a clip are looked at. None may show more than `most` persons, and the largest person
    must take `smallest` of the height in one of them.
    """

    detector: str | None = None
    looks: int = bounded(3, 1, 1000)
    most: int = bounded(5, 1, 1000)
    smallest: float = bounded(0.3, 0, 1)


@dataclass
class PictureRecipe(Export, FlowRecipe):
    """Settings of a run that trains image-to-video, beside what `FlowRecipe` says.

    Training starts from the image-to-video weights of `start` (a model, or what a recipe of this app wrote), or from
    the text-to-video weights of `base`. `patterns` says how often what is given; clips to go on from are `longer`
    frames longer than those of the stage. `people` leaves clips of a folder out.
    """

    start: str | None = None
    patterns: PatternShares = field(default_factory=PatternShares)
    longer: int = bounded(16, FRAME_STRIDE, LONGEST_CLIP)
    people: People = field(default_factory=People)

    def check(self) -> None:
        """Refuse what cannot be trained.

        Raises:
            ConfigError: the line names the setting.
        """
        self.last_stage()
        for name, stage in self.stages.items():
            if stage.steps and stage.frames <= FRAME_STRIDE:
                raise ConfigError(
                    f"stages.{name}.frames is {stage.frames}; {FRAME_STRIDE + 1} or more leave something to learn"
                )
        if self.longer < FRAME_STRIDE or self.longer % FRAME_STRIDE:
            raise ConfigError(f"longer is {self.longer}; {FRAME_STRIDE} or a multiple of it is needed")


@dataclass
class I2VConfig(PictureRecipe):
    """Everything that `kinora train i2v` and `i2v_portrait` can set, beside what `PictureRecipe` says.

    With `unfreeze_every` above 0, the outermost blocks train from the start, and every so many steps the next pair
    inwards joins them; what is no block always trains.
    """

    unfreeze_every: int = bounded(0, 0, MANY)


@dataclass
class I2VLoRAConfig(LoRASettings, PictureRecipe):
    """Everything that `kinora train i2v_lora` can set, beside what `PictureRecipe` and `LoRASettings` say.

    On text-to-video weights the patch embedding is trained beside the LoRA.
    """
