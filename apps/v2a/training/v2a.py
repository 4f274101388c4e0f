"""The sound transformer's recipe: flow matching on latents of sounds, with video and text (paper, "Model")."""

import json
from dataclasses import asdict
from pathlib import Path

import torch

from apps.v2a.checkpoints import SoundDefaults, bring_frozen_parts, sound_folder, write_defaults
from apps.v2a.conditioning.encoders import Encoders, fingerprint
from apps.v2a.model.transformer import AudioTransformer
from apps.v2a.training.config import SoundModel
from apps.v2a.training.config import V2AConfig as Config
from apps.v2a.training.flow import train_sounds
from foundation.checkpoints.loading import load_folder
from foundation.checkpoints.model_folder import FROZEN_FILE, write_training
from foundation.training.config import starting_point
from foundation.training.trainer import processes


def run(config: Config) -> Path:
    """Prepare, train, write the transformer's folder, and return where it is."""
    torch.manual_seed(config.training.seed)
    base, start = sound_folder(config.base), starting_point(config.start, config.base, config.data)
    encoders = Encoders.load(base)
    model = new_transformer(config.model, encoders) if start is None else _started(sound_folder(start))
    train_sounds(config, model, encoders)
    folder = config.folder
    if processes().is_main_process:
        model.to(torch.bfloat16).save_pretrained(folder / "transformer")
        before = None if start is None else sound_folder(start) / "transformer"
        write_training(folder / "transformer", {"recipe": "v2a", **asdict(config)}, before)
        frozen = json.dumps({"encoders": fingerprint(base)}, indent=1)
        (folder / "transformer" / FROZEN_FILE).write_text(frozen + "\n")
        write_defaults(folder, SoundDefaults(encoders.layout, **asdict(config.sampling)))
        bring_frozen_parts(base, folder)
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
