"""The settings of every recipe of the foundation, with their bounds; nothing here imports torch.

`kinora train` fills these dataclasses through Hydra, checks the bounds, and only then imports what trains.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from foundation.checkpoints.defaults import HUNYUANVIDEO, ModelDefaults, TrainedRange
from foundation.checkpoints.lora.source import TARGETS
from shared.config import Size, bounded, one_of
from shared.errors import ConfigError

if TYPE_CHECKING:
    from foundation.models.transformer import VideoTransformer

MANY = 10_000_000
"""Steps, clips or samples: more are a slip of the finger."""
WIDEST = 65_536
LONGEST_CLIP = 2_881
LARGEST_SIDE = 4_096
PRECISIONS = ("no", "bf16", "fp16")


@dataclass
class Training:
    """One run of the trainer. Learning rates are peak values of a trapezoid schedule.

    `adamw_layers` are parts of the names of kernels that AdamW trains although Muon could. `workers` processes make
    data ahead. `trackers` are names that accelerate knows (tensorboard, wandb, ...), beside the CSV. Every
    `watch_every` steps the averaged weights are looked at, where the recipe has something to look at; 0 never does.

    Raises:
        ConfigError: an unknown precision.
    """

    output: str = "runs/run"
    seed: int = bounded(0, 0, 2**32 - 1)
    steps: int = bounded(1000, 1, MANY)
    batch_size: int = bounded(32, 1, WIDEST)
    accumulate: int = bounded(1, 1, WIDEST)
    learning_rate: float = bounded(0.02, 0, 10)
    adamw_learning_rate: float = bounded(1e-3, 0, 10)
    adamw_layers: list[str] = field(default_factory=list)
    weight_decay: float = bounded(0.0, 0, 1)
    warmup: int = bounded(50, 0, MANY)
    decay: float = bounded(0.5, 0, 1)
    gradient_clip: float = bounded(1.0, 1e-9, 1e9)
    ema_decay: float = bounded(0.999, 0, 1)
    precision: str = "bf16"
    checkpoint_minutes: float = bounded(3.0, 0, 1e6)
    keep_checkpoints: int = bounded(2, 1, MANY)
    log_every: int = bounded(20, 1, MANY)
    watch_every: int = bounded(0, 0, MANY)
    workers: int = bounded(0, 0, 256)
    trackers: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ConfigError(f"training.precision: {one_of(PRECISIONS)} expected, got {self.precision!r}")


@dataclass
class Export:
    """Where a recipe writes its model, or the `PARTS` of one.

    `export` is a model folder; null: `model` in the folder of the run. A model that is there already is replaced only
    with `overwrite`, and kept beside the new one.
    """

    PARTS: ClassVar[tuple[str, ...]] = ()

    export: str | None = None
    overwrite: bool = False

    def exported_folders(self) -> list[Path]:
        """The folders that the run writes."""
        return [self.folder / part for part in self.PARTS] if self.PARTS else [self.folder]

    @property
    def folder(self) -> Path:
        """`export`, once it is chosen."""
        assert self.export is not None
        return Path(self.export).expanduser()


@dataclass
class Worlds:
    """How many clips of each of the toybox's worlds a recipe sees."""

    mix: int = bounded(0, 0, MANY)
    scenes: int = bounded(0, 0, MANY)
    pairs: int = bounded(0, 0, MANY)
    cameras: int = bounded(0, 0, MANY)
    materials: int = bounded(0, 0, MANY)
    puppets: int = bounded(0, 0, MANY)
    skeletons: int = bounded(0, 0, MANY)

    def counts(self) -> dict[str, int]:
        """The worlds that clips are wanted of.

        Raises:
            ConfigError: of none.
        """
        counts = {world: count for world, count in vars(self).items() if count}
        if not counts:
            raise ConfigError(f"worlds: one of {one_of(vars(self))} must be 1 or more, all are 0")
        return counts


# -- the VAE -----------------------------------------------------------------------------------------------


@dataclass
class VAEModel:
    """Configuration of a `CausalVideoVAE` trained from nothing."""

    block_out_channels: list[int] = bounded(lambda: [64, 64, 80], 1, WIDEST)
    layers_per_block: int = bounded(1, 1, 64)
    latent_channels: int = bounded(16, 1, 1024)
    patch_size: int = bounded(4, 1, 8)
    norm_type: str = "rms"
    mid_block_add_attention: bool = False


@dataclass
class Crops:
    """What is cut from a clip for one sample; `looks` places are tried and the busiest is taken.

    Clips are rendered `clip_size` pixels wide and high; a sample is `size` pixels wide and high. A share `halved` of
    the samples is cut twice as large and averaged down, so that the small clips of half the size are learned too.
    Every `interval`-th frame at most is kept, as far as the clip is long enough; the interval is drawn for each
    sample. There are `videos_per_picture` batches of videos to one of pictures (the paper's 4; 0: no pictures). With
    `tiled`, every clip comes a second time, in a batch that is encoded and decoded in tiles.

    Raises:
        ConfigError: a crop that the VAE cannot take, or larger than a clip.
    """

    worlds: Worlds = field(
        default_factory=lambda: Worlds(
            mix=12000, pairs=2500, cameras=2500, materials=2500, puppets=5000, skeletons=2500
        )
    )
    cache: str = "cache/toybox"
    clip_size: int = bounded(128, 16, LARGEST_SIDE)
    frames: int = bounded(17, 1, 17)
    size: int = bounded(64, 8, LARGEST_SIDE)
    looks: int = bounded(3, 1, 1000)
    halved: float = bounded(0.0, 0, 1)
    interval: int = bounded(8, 1, 1000)
    videos_per_picture: int = bounded(4, 0, 1000)
    tiled: bool = False

    def __post_init__(self) -> None:
        if self.frames % 4 != 1 or self.size % 8:
            raise ConfigError(
                f"data.frames {self.frames}, data.size {self.size}: 4k + 1 frames and a multiple of 8 pixels expected"
            )
        largest = self.size * (2 if self.halved else 1)
        if largest > self.clip_size:
            raise ConfigError(
                f"data.size: crops of {largest} pixels expected at most data.clip_size {self.clip_size}"
            )


@dataclass
class LossWeights:
    """What a unit of each term counts; the paper's, but for `mse`, which it does not have.

    `l1` is a mean over pixels as are all others but `kl`, a sum over the latents of a clip, as usual for latent
    diffusion autoencoders.
    """

    l1: float = bounded(1.0, 0, 1e6)
    mse: float = bounded(0.0, 0, 1e6)
    perceptual: float = bounded(0.1, 0, 1e6)
    adversarial: float = bounded(0.05, 0, 1e6)
    kl: float = bounded(1e-6, 0, 1e6)


@dataclass
class VAEConfig(Export):
    """Everything that `kinora train vae` can set.

    Training starts from the weights of the folder `start`, or from nothing; `deepen` adds residual blocks to that
    many a level, `wake` draws its silent channels anew, `decoder_only` leaves the latents as they are. The posterior
    has the standard deviation `deviation` everywhere; null learns it. The perceptual loss uses `network`: `lpips`
    (VGG-16's weights must be on disk) or `clip`, the vision tower in the model folder `base`. Tiles are `tile` pixels
    wide and `tile_frames` frames long, and overlap by half.
    """

    PARTS: ClassVar[tuple[str, ...]] = ("vae",)

    training: Training = field(default_factory=lambda: Training(output="runs/vae"))
    model: VAEModel = field(default_factory=VAEModel)
    data: Crops = field(default_factory=Crops)
    loss: LossWeights = field(default_factory=LossWeights)
    network: str = "clip"
    base: str = "starter"
    start: str | None = None
    deepen: int | None = bounded(None, 1, 64)
    wake: bool = False
    decoder_only: bool = False
    deviation: float | None = bounded(0.1, 1e-6, 10)
    tile: int = bounded(32, 16, LARGEST_SIDE)
    tile_frames: int = bounded(8, 4, LONGEST_CLIP)


# -- the text encoders -------------------------------------------------------------------------------------


@dataclass
class LlamaSize:
    """Width and depth of a small Llama trained from nothing."""

    vocabulary: int = bounded(1536, 300, 10**6)
    hidden: int = bounded(128, 1, WIDEST)
    layers: int = bounded(6, 1, 1000)
    heads: int = bounded(4, 1, 1000)
    mlp: int = bounded(352, 1, WIDEST)


@dataclass
class StarterSize(LlamaSize):
    """Widths and depths of the starter's language model and of its CLIP."""

    clip_hidden: int = bounded(96, 1, WIDEST)
    clip_layers: int = bounded(4, 1, 1000)
    clip_heads: int = bounded(4, 1, 1000)
    clip_mlp: int = bounded(192, 1, WIDEST)
    projection: int = bounded(96, 1, WIDEST)
    image_size: int = bounded(64, 8, 1024)
    patch: int = bounded(8, 1, 1024)

    @property
    def image_tokens(self) -> int:
        """Tokens that an image becomes in the language model."""
        return (self.image_size // self.patch) ** 2


@dataclass
class TextData:
    """Clips that pictures are taken from, and what goes with each."""

    clips: int = bounded(12000, 1, MANY)
    cache: str = "cache/toybox"
    extra_captions: int = bounded(1, 0, 100)
    length_groups: int = bounded(3, 1, 100)
    tokenizer_chats: int = bounded(20000, 1, MANY)


def _text_stage(steps: int, batch_size: int) -> Training:
    return Training(
        steps=steps,
        batch_size=batch_size,
        learning_rate=0.02,
        adamw_learning_rate=2e-3,
        warmup=40,
        decay=0.6,
        ema_decay=0.99,
    )


@dataclass
class TextConfig(Export):
    """Everything that `kinora train text` can set; each stage's output is a folder within `output`."""

    PARTS: ClassVar[tuple[str, ...]] = ("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2")

    output: str = "runs/text"
    language: Training = field(default_factory=lambda: _text_stage(800, 64))
    bind: Training = field(default_factory=lambda: replace(_text_stage(500, 64), learning_rate=0.01))
    clip: Training = field(default_factory=lambda: _text_stage(2500, 64))
    eyes: Training = field(default_factory=lambda: _text_stage(1000, 32))
    state_scale: float = bounded(0.125, 1e-6, 1e6)
    model: StarterSize = field(default_factory=StarterSize)
    data: TextData = field(default_factory=TextData)


# -- the video transformer ---------------------------------------------------------------------------------


@dataclass
class Stage:
    """Clips of one length and area for some steps; 0 steps leave the stage out.

    `batch_size` is of the largest clips: batches of shorter or smaller ones have more. `pictures` are mixed in, and
    `earlier` clips in the shape of the stage before, that many for a clip, so that nothing is forgotten.

    Raises:
        ConfigError: a shape that the latents cannot have.
    """

    steps: int = bounded(1000, 0, MANY)
    batch_size: int = bounded(64, 1, WIDEST)
    frames: int = bounded(17, 1, LONGEST_CLIP)
    width: int = bounded(64, 16, LARGEST_SIDE)
    height: int = bounded(64, 16, LARGEST_SIDE)
    pictures: float = bounded(0.25, 0, 1000)
    earlier: float = bounded(0.0, 0, 1000)

    def __post_init__(self) -> None:
        if self.frames % 4 != 1 or self.width % 16 or self.height % 16:
            raise ConfigError(
                f"a stage of {self.frames} frames, {self.width}x{self.height}: 4k + 1 frames and multiples of 16 "
                "pixels expected"
            )


@dataclass
class Toybox:
    """Which clips are rendered and how their captions vary.

    A caption of more than `longest_text` tokens gives way to the plain one, so that a batch pads little.
    """

    worlds: Worlds = field(
        default_factory=lambda: Worlds(scenes=16000, pairs=1000, cameras=1000, puppets=8000)
    )
    variants: int = bounded(4, 1, 1000)
    longest_text: int = bounded(40, 1, WIDEST)


@dataclass
class SamplingDefaults:
    """How clips are made while training and, where the folder says nothing else, afterwards."""

    steps: int = bounded(20, 1, 1000)
    cfg: float = bounded(3.0, 0, 100)
    shift: float = bounded(3.0, 0.01, 100)


@dataclass
class FlowRecipe:
    """Settings of a run on latents.

    The frozen encoders are those of the model folder `base`. Training sees the folder of clips and captions `data`,
    at the rate `fps`, or the toybox where there is none. A model that embeds its guidance is told `guidance` while it
    learns. Every `training.watch_every` steps `watched` prompts of the toybox are made into clips and judged.
    """

    base: str = "starter"
    data: str | None = None
    fps: float = bounded(8.0, 0.1, 1000)
    cache: str = "cache"
    toybox: Toybox = field(default_factory=Toybox)
    text_dropout: float = bounded(0.1, 0, 1)
    shift: float = bounded(3.0, 0.01, 100)
    guidance: float = bounded(1.0, 0, 100)
    watched: int = bounded(24, 2, MANY)
    sampling: SamplingDefaults = field(default_factory=SamplingDefaults)
    stages: dict[str, Stage] = field(default_factory=dict)
    training: Training = field(
        default_factory=lambda: Training(
            output="runs/t2v",
            learning_rate=0.02,
            adamw_layers=["x_embedder", "proj_out", "time_text_embed", "norm"],
            weight_decay=0.01,
            warmup=100,
        )
    )

    def last_stage(self) -> Stage:
        """The stage whose clips are those that the trained model proposes.

        Raises:
            ConfigError: no stage has steps.
        """
        stages = [stage for stage in self.stages.values() if stage.steps]
        if not stages:
            raise ConfigError("no stage has any steps: stages.NAME.steps must be 1 or more in one of them")
        return stages[-1]

    def stage_before(self, stage: Stage) -> Stage:
        """The stage that is listed before another, whether it has steps or not.

        Raises:
            ConfigError: there is none.
        """
        stages = list(self.stages.items())
        place = next(place for place, (_, one) in enumerate(stages) if one is stage)
        if not place:
            raise ConfigError(
                f"stages.{stages[0][0]}.earlier is {stage.earlier:g}, but no stage comes before: it must be 0"
            )
        return stages[place - 1][1]

    def defaults(self, stage: Stage, model: VideoTransformer) -> ModelDefaults:
        """What the user of a model gets who asks for nothing: clips as in a stage."""
        sampling = self.sampling
        return ModelDefaults(
            fps=self.fps,
            size=Size(stage.width, stage.height),
            frames=stage.frames,
            steps=sampling.steps,
            shift=sampling.shift,
            cfg=sampling.cfg,
            guidance=HUNYUANVIDEO.guidance if model.config.guidance_embeds else None,
            trained=self.trained_range(),
        )

    def trained_range(self) -> TrainedRange:
        """Sizes and lengths of the stages that have steps."""
        stages = [stage for stage in self.stages.values() if stage.steps]
        sizes = sorted((Size(stage.width, stage.height) for stage in stages), key=math.prod)
        frames = [stage.frames for stage in stages] + [1 for stage in stages if stage.pictures]
        return TrainedRange(sizes[0], sizes[-1], min(frames), max(frames))


@dataclass
class TransformerModel:
    """Configuration of a `VideoTransformer` trained from nothing.

    Raises:
        ConfigError: rotary axes that do not fit the heads.
    """

    num_attention_heads: int = bounded(3, 1, 1000)
    attention_head_dim: int = bounded(64, 2, 1024)
    num_layers: int = bounded(1, 0, 1000)
    num_single_layers: int = bounded(6, 0, 1000)
    num_refiner_layers: int = bounded(1, 0, 100)
    mlp_ratio: float = bounded(4.0, 0.1, 100)
    rope_axes_dim: list[int] = bounded(lambda: [8, 28, 28], 2, 1024)
    guidance_embeds: bool = False

    def __post_init__(self) -> None:
        axes, width = list(self.rope_axes_dim), self.attention_head_dim
        if len(axes) != 3 or sum(axes) != width or any(axis % 2 for axis in axes):
            raise ConfigError(
                f"model.rope_axes_dim {axes}: three even numbers of sum {width} (attention_head_dim) expected"
            )


@dataclass
class T2VConfig(Export, FlowRecipe):
    """Everything that `kinora train t2v` and `t2v_sft` can set, beside what `FlowRecipe` says.

    Training starts from the transformer of the model folder `start`; null: from that of `base` where there are clips
    of the user's (`data`), else from nothing (`model` says how wide). `none` always starts from nothing.
    """

    PARTS: ClassVar[tuple[str, ...]] = ("transformer",)

    start: str | None = None
    compile: bool = False
    model: TransformerModel = field(default_factory=TransformerModel)


@dataclass
class LoRASettings:
    """A LoRA: updates of `rank`, scaled by `alpha / rank` (null: by 1), in layers whose names end in `targets`."""

    rank: int = bounded(16, 1, WIDEST)
    alpha: float | None = bounded(None, 1e-9, 1e9)
    targets: list[str] = field(default_factory=lambda: list(TARGETS))

    def add_to(self, model: Any) -> None:
        """Freeze a model and add the LoRA, which alone is to be trained.

        Raises:
            ConfigError: a setting that no LoRA can have, or a target that names no layer.
        """
        from foundation.checkpoints.lora.adapters import add_lora

        add_lora(model, self.rank, self.alpha, self.targets)


@dataclass
class T2VLoRAConfig(Export, LoRASettings, FlowRecipe):
    """Everything that `kinora train t2v_lora` can set: the LoRA is added to the transformer of `base`."""


def starting_point(start: str | None, base: str, data: str | None) -> str | None:
    """The model whose weights a run starts from; None: from random weights.

    Args:
        start: as set; `none` means random weights.
        base: the model of the frozen encoders.
        data: the user's clips, which fine-tune `base` where nothing else is said.
    """
    if start is None:
        return base if data is not None else None
    return None if start == "none" else start
