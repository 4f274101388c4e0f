"""The audio codec: waveform -> log-mel spectrogram -> latents, and back through a vocoder."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import Tensor

from apps.v2a.codec.mel import log_mel
from apps.v2a.codec.mel_vae import MelVAE
from apps.v2a.codec.vocoder import Vocoder, load_vocoder
from shared.errors import InputError, WeightsError, first_line

if TYPE_CHECKING:
    from apps.v2a.codec.mel import MelSpec

MEL_VAE, VOCODER = "mel_vae", "vocoder"
"""Folders of a codec's parts."""


@dataclass(frozen=True, eq=False)
class Codec:
    """A mel VAE and the vocoder that it was made for.

    Raises:
        WeightsError: the two are made for different spectrograms.
    """

    mel_vae: MelVAE
    vocoder: Vocoder

    def __post_init__(self) -> None:
        difference = self.mel_vae.spec.difference(self.vocoder.spec)
        if difference:
            raise WeightsError(f"mel VAE and vocoder are made for different spectrograms: {difference}")

    @property
    def spec(self) -> MelSpec:
        """What both parts agree on."""
        return self.mel_vae.spec

    @property
    def sample_rate(self) -> int:
        """Samples per second."""
        return self.spec.sample_rate

    @property
    def latent_rate(self) -> float:
        """Latent frames per second."""
        return self.mel_vae.latent_rate

    @property
    def latent_shape(self) -> tuple[int, int]:
        """Channels and bands of a latent frame."""
        return self.mel_vae.config.latent_channels, self.mel_vae.latent_bands

    def latent_frames(self, samples: int) -> int:
        """Latent frames that cover so many samples; one at least."""
        longest = max(samples, self.spec.margin + 1)
        return math.ceil(self.spec.frames(longest) / self.mel_vae.time_compression)

    def samples(self, latent_frames: int) -> int:
        """Samples that so many latent frames cover."""
        return self.spec.samples(latent_frames * self.mel_vae.time_compression)

    @torch.no_grad()
    def encode(self, waveform: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Normalised latents of a sound of any length; what its last latent frame lacks is silence.

        Args:
            waveform: (N,) or (B, N) in [-1, 1] at `sample_rate`.
            generator: draws from the posterior; None takes its mean.

        Returns:
            (B, C, `latent_frames(N)`, K), B = 1 for (N,).

        Raises:
            InputError: no samples, another shape, or samples that are not finite.
        """
        batch = waveform[None] if waveform.ndim == 1 else waveform
        if batch.ndim != 2 or not batch.numel():
            raise InputError(f"samples of shape {tuple(waveform.shape)} do not fit: (N,) or (B, N), N >= 1")
        if not torch.isfinite(batch).all():
            bad = int((~torch.isfinite(batch)).sum())
            raise InputError(f"{bad} of {batch.numel()} samples are not finite numbers (NaN or infinite)")
        whole = self.samples(self.latent_frames(batch.shape[1]))
        mel = log_mel(F.pad(batch.float(), (0, whole - batch.shape[1])), self.spec)
        return self.mel_vae.to_latents(mel, generator)

    @torch.no_grad()
    def decode(self, latents: Tensor, samples: int | None = None) -> Tensor:
        """The sound of normalised latents.

        Args:
            latents: (B, C, T, K).
            samples: of the waveform, at most `self.samples(T)`; None: all.

        Returns:
            (B, N) float32 in [-1, 1].

        Raises:
            InputError: latents of another shape, or more samples than they have.
        """
        most = self.samples(latents.shape[2]) if latents.ndim == 4 else 0
        length = most if samples is None else samples
        mel = self.mel_vae.to_mel(latents)
        if length > most:
            raise InputError(f"{latents.shape[2]} latent frames have {most} samples, not {length}")
        return self.vocoder(mel.float())[:, :length].float().clamp(-1, 1)

    def to(self, device: torch.device | str) -> Codec:
        """Both parts on another device."""
        self.mel_vae.to(device)
        self.vocoder.to(device)
        return self


def load_codec(folder: Path | str, vocoder: Path | str | None = None) -> Codec:
    """The codec of a model folder, frozen, in float32.

    Args:
        folder: holds `mel_vae` and `vocoder`.
        vocoder: another vocoder's folder, in the layout of Vocos or of transformers.

    Raises:
        WeightsError: a part is missing, damaged, or made for another spectrogram.
        ConfigError: a configuration contradicts itself or names a class that is not built.
    """
    folder = Path(folder)
    place = folder / VOCODER if vocoder is None else Path(vocoder)
    return Codec(load_mel_vae(folder / MEL_VAE), load_vocoder(place))


def load_mel_vae(folder: Path | str) -> MelVAE:
    """The mel VAE of a folder in diffusers' layout, frozen, in float32.

    Raises:
        WeightsError: files are missing or damaged, or do not fit.
    """
    folder = Path(folder)
    if not (folder / "config.json").is_file():
        raise WeightsError(
            f"{folder} holds no mel VAE: config.json is missing; kinora train mel_vae makes one"
        )
    try:
        config: Any = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise WeightsError(f"{folder / 'config.json'} cannot be read: {first_line(error)}") from error
    name = config.get("_class_name") if isinstance(config, dict) else None
    if name != MelVAE.__name__:
        raise WeightsError(f"{folder} holds a {name}; a {MelVAE.__name__} is needed")
    try:
        vae, info = MelVAE.from_pretrained(
            folder,
            torch_dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            low_cpu_mem_usage=False,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, TypeError, SafetensorError) as error:
        raise WeightsError(f"{folder} cannot be loaded: {first_line(error)}") from error
    wrong = sorted(info["missing_keys"]) + sorted(info["unexpected_keys"])
    if wrong:
        raise WeightsError(f"{folder} does not fit its configuration: {len(wrong)} keys, such as {wrong[0]}")
    return vae.eval().requires_grad_(False)
