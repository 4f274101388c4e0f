"""The settings of every recipe of video-to-audio, with their bounds; nothing here imports torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from apps.v2a.codec.mel_spec import MelSpec
from foundation.training.config import MANY, WIDEST, Export, LoRASettings, Training
from shared.config import bounded
from shared.errors import ConfigError

LORA_TARGETS = ("to_q", "to_k", "to_v", "to_out", "ff.net.0.proj", "ff.net.2", "proj_mlp", "proj_out")
"""The linear layers of the sound transformer's blocks but for their modulations."""

STARTER = "starter"


# -- the codec ---------------------------------------------------------------------------------------------


@dataclass
class SoundData:
    """Rendered sounds, and the crops that are taken of them at the loudest of `looks` places.

    A crop is as loud as it was rendered or up to `quieter` dB less, drawn anew each time.
    """

    sounds: int = bounded(1500, 1, MANY)
    seconds: float = bounded(4.0, 0.5, 600)
    cache: str = "cache/toybox"
    frames: int = bounded(64, 1, MANY)
    looks: int = bounded(2, 1, 1000)
    quieter: float = bounded(9.0, 0, 120)


@dataclass
class MelVAELoss:
    """What a unit of each term counts; `l1` and `mse` are means over normalised values, `kl` a sum over latents."""

    l1: float = bounded(1.0, 0, 1e6)
    mse: float = bounded(0.5, 0, 1e6)
    kl: float = bounded(1e-6, 0, 1e6)


@dataclass
class MelVAEModel:
    """Configuration of a `MelVAE` trained from nothing."""

    latent_channels: int = bounded(8, 1, 1024)
    block_out_channels: list[int] = bounded(lambda: [64, 80], 1, WIDEST)
    layers_per_block: int = bounded(1, 1, 64)
    patch_size: list[int] = bounded(lambda: [2, 4], 1, 64)


@dataclass
class MelVAEConfig(Export):
    """Everything that `kinora train mel_vae` can set.

    The posterior has the standard deviation `deviation` everywhere.
    """

    PARTS: ClassVar[tuple[str, ...]] = ("mel_vae",)

    training: Training = field(default_factory=lambda: Training(output="runs/mel_vae"))
    model: MelVAEModel = field(default_factory=MelVAEModel)
    mel: dict[str, Any] = field(default_factory=lambda: asdict(MelSpec()))
    data: SoundData = field(default_factory=SoundData)
    loss: MelVAELoss = field(default_factory=MelVAELoss)
    deviation: float = bounded(0.1, 1e-6, 10)


@dataclass
class VocoderLoss:
    """What a unit of each term counts: L1 of log-mels, spectral convergence, and L1 of log magnitudes."""

    mel: float = bounded(1.0, 0, 1e6)
    convergence: float = bounded(0.5, 0, 1e6)
    magnitude: float = bounded(0.5, 0, 1e6)


@dataclass
class VocosSize:
    """Widths and depth of a Vocos vocoder trained from nothing."""

    dim: int = bounded(176, 1, WIDEST)
    intermediate_dim: int = bounded(352, 1, WIDEST)
    num_layers: int = bounded(5, 1, 1000)


@dataclass
class VocoderConfig(Export):
    """Everything that `kinora train vocoder` can set.

    Training starts from the vocoder in the folder `start`, or from nothing (`model` says how wide). It is made for the
    mel VAE `mel_vae` (a folder, or a model that holds one) and trained on what comes back from it, with noise of the
    standard deviation `deviation` on its latents; null trains on the spectrograms that `mel` describes. In use `passes`
    of `apps.v2a.codec.mel.refined` follow it.
    """

    PARTS: ClassVar[tuple[str, ...]] = ("vocoder",)

    training: Training = field(default_factory=lambda: Training(output="runs/vocoder"))
    model: VocosSize = field(default_factory=VocosSize)
    passes: int = bounded(2, 0, 1000)
    start: str | None = None
    mel_vae: str | None = STARTER
    deviation: float = bounded(0.05, 0, 10)
    mel: dict[str, Any] = field(default_factory=lambda: asdict(MelSpec()))
    data: SoundData = field(default_factory=SoundData)
    loss: VocoderLoss = field(default_factory=VocoderLoss)


# -- the encoders ------------------------------------------------------------------------------------------


@dataclass
class ToySounds:
    """Clips that are rendered, and captions of each."""

    clips: int = bounded(6000, 1, MANY)
    variants: int = bounded(4, 1, 1000)


@dataclass
class ToyStills:
    """Clips that are rendered, and frames that are kept of each."""

    clips: int = bounded(20000, 1, MANY)
    stills: int = bounded(4, 1, 100)


@dataclass
class AVClipConfig(Export):
    """Everything that `kinora train av_clip` can set.

    The vision tower begins as that of the model `base`; `codec` is a model with a mel VAE, whose spectrograms are
    compared. `shown` stills make a sample.
    """

    PARTS: ClassVar[tuple[str, ...]] = ("image_encoder", "image_processor")

    base: str = STARTER
    codec: str = STARTER
    cache: str = "cache"
    toybox: ToyStills = field(default_factory=ToyStills)
    shown: int = bounded(2, 1, 100)
    training: Training = field(default_factory=lambda: Training(output="runs/av_clip"))

    def __post_init__(self) -> None:
        if self.shown > self.toybox.stills:
            raise ConfigError(
                f"shown: at most the {self.toybox.stills} of toybox.stills expected, got {self.shown}"
            )


@dataclass
class ConsistencySize:
    """Widths and depths of the contrastive model's towers."""

    side: int = bounded(32, 8, 1024)
    channels: list[int] = bounded(lambda: [24, 48, 64], 1, WIDEST)
    width: int = bounded(64, 1, WIDEST)
    layers: int = bounded(4, 1, 1000)
    kernel: int = bounded(3, 1, 99)
    joint: int = bounded(64, 1, WIDEST)


@dataclass
class ConsistencyLosses:
    """Moved copies of a sound and how near they may be in seconds; what the envelope and the words count."""

    shifts: int = bounded(4, 0, 1000)
    nearest: float = bounded(0.16, 0, 600)
    envelope: float = bounded(1.0, 0, 1e6)
    words: float = bounded(0.3, 0, 1e6)


@dataclass
class T5Size:
    """Width and depth of a T5 encoder trained from nothing."""

    hidden: int = bounded(64, 1, WIDEST)
    layers: int = bounded(2, 1, 1000)
    heads: int = bounded(4, 1, 1000)
    mlp: int = bounded(128, 1, WIDEST)


@dataclass
class AVConsistencyConfig(Export):
    """Everything that `kinora train av_consistency` can set.

    `base` is a model with a tokenizer, `codec` one with a mel VAE, whose spectrograms are compared.
    """

    PARTS: ClassVar[tuple[str, ...]] = ("consistency", "sync_encoder", "text_encoder", "tokenizer")

    base: str = STARTER
    codec: str = STARTER
    cache: str = "cache"
    toybox: ToySounds = field(default_factory=lambda: ToySounds(clips=3000))
    model: ConsistencySize = field(default_factory=ConsistencySize)
    text: T5Size = field(default_factory=T5Size)
    loss: ConsistencyLosses = field(default_factory=ConsistencyLosses)
    training: Training = field(default_factory=lambda: Training(output="runs/av_consistency"))


# -- the sound transformer ---------------------------------------------------------------------------------


@dataclass
class DropOut:
    """Shares of samples that are trained without their text, and without their video."""

    text: float = bounded(0.1, 0, 1)
    video: float = bounded(0.1, 0, 1)


@dataclass
class SoundRecipe:
    """Settings of a run on latents of sounds.

    The frozen encoders and the codec are those of the model `base`. Training sees the folder of clips with sound and
    captions `data`, or the toybox where there is none. `drop_out` leaves out text and video, each by itself. Every
    `training.watch_every` steps `watched` held-out clips are given sounds, which are judged.
    """

    base: str = STARTER
    data: str | None = None
    cache: str = "cache"
    toybox: ToySounds = field(default_factory=ToySounds)
    drop_out: DropOut = field(default_factory=DropOut)
    shift: float = bounded(1.0, 0.01, 100)
    watched: int = bounded(16, 1, MANY)
    training: Training = field(default_factory=lambda: Training(output="runs/v2a"))


@dataclass
class SoundModel:
    """Configuration of an `AudioTransformer` trained from nothing."""

    num_attention_heads: int = bounded(4, 1, 1000)
    attention_head_dim: int = bounded(32, 2, 1024)
    num_layers: int = bounded(1, 0, 1000)
    num_single_layers: int = bounded(4, 0, 1000)
    mlp_ratio: float = bounded(4.0, 0.1, 100)


@dataclass
class SamplingDefaults:
    """How sounds are made afterwards, where nobody says otherwise."""

    steps: int = bounded(25, 1, 1000)
    shift: float = bounded(1.0, 0.01, 100)
    cfg: float = bounded(3.0, 0, 100)


@dataclass
class V2AConfig(Export, SoundRecipe):
    """Everything that `kinora train v2a` can set, beside what `SoundRecipe` says.

    Training starts from the transformer of the model `start`; null: from that of `base` where there are clips of the
    user's (`data`), else from nothing (`model` says how wide). `none` always starts from nothing.
    """

    PARTS: ClassVar[tuple[str, ...]] = ("transformer",)

    start: str | None = None
    model: SoundModel = field(default_factory=SoundModel)
    sampling: SamplingDefaults = field(default_factory=SamplingDefaults)


@dataclass
class V2ALoRAConfig(Export, LoRASettings, SoundRecipe):
    """Everything that `kinora train v2a_lora` can set: the LoRA is added to the transformer of `base`."""

    rank: int = bounded(8, 1, WIDEST)
    targets: list[str] = field(default_factory=lambda: list(LORA_TARGETS))
