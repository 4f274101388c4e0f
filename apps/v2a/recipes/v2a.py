"""The sound transformer's recipe: flow matching on latents of sounds, with video and text (paper, "Model")."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from apps.v2a.encoders import Encoders, fingerprint
from apps.v2a.model import AudioTransformer
from apps.v2a.recipes.flow import SoundRecipe, train_sounds
from apps.v2a.weights import SoundDefaults, write_defaults
from foundation.training.trainer import processes
from foundation.weights.folder import FROZEN_FILE, write_training
from foundation.weights.loading import load_folder


@dataclass
class SoundModel:
    """Configuration of an `AudioTransformer` trained from nothing."""

    num_attention_heads: int = 4
    attention_head_dim: int = 32
    num_layers: int = 1
    num_single_layers: int = 4
    mlp_ratio: float = 4.0


@dataclass
class SamplingDefaults:
    """How sounds are made afterwards, where nobody says otherwise."""

    steps: int = 25
    shift: float = 1.0
    cfg: float = 3.0


@dataclass
class Config(SoundRecipe):
    """Everything that `kinora train v2a` can set, beside what `SoundRecipe` says.

    Training starts from the transformer of the folder `start`, or from nothing (`model` says how wide).
    """

    start: str | None = None
    export: str = "weights/starter/v2a"
    model: SoundModel = field(default_factory=SoundModel)
    sampling: SamplingDefaults = field(default_factory=SamplingDefaults)


def run(config: Config) -> Path:
    """Prepare, train, write the transformer's folder, and return where it is."""
    torch.manual_seed(config.training.seed)
    encoders = Encoders.load(Path(config.base))
    model = _started(Path(config.start)) if config.start else new_transformer(config.model, encoders)
    train_sounds(config, model, encoders)
    folder = Path(config.export)
    if processes().is_main_process:
        model.to(torch.bfloat16).save_pretrained(folder / "transformer")
        start = Path(config.start) / "transformer" if config.start else None
        write_training(folder / "transformer", {"recipe": "v2a", **asdict(config)}, start)
        frozen = json.dumps({"encoders": fingerprint(Path(config.base))}, indent=1)
        (folder / "transformer" / FROZEN_FILE).write_text(frozen + "\n")
        write_defaults(folder, SoundDefaults(encoders.layout, **asdict(config.sampling)))
    return folder


def new_transformer(model: SoundModel, encoders: Encoders) -> AudioTransformer:
    """A transformer for these encoders and this codec, with start values."""
    channels, bands = encoders.codec.latent_shape
    transformer = AudioTransformer(
        **vars(model),
        latent_channels=channels,
        latent_bands=bands,
        text_embed_dim=encoders.text.model.config.d_model,
        visual_dims={name: encoder.width for name, encoder in encoders.visual.items()},
    )
    transformer.initialise()
    return transformer


def _started(folder: Path) -> AudioTransformer:
    model = load_folder(AudioTransformer, folder / "transformer", torch.float32)
    return model.train().requires_grad_(True)
