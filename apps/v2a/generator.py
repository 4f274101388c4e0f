"""From conditions to sounds: what the pipeline, the judges and a look at training share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from apps.v2a.checkpoints import SoundDefaults
from apps.v2a.conditioning.encoders import Encoders
from apps.v2a.model.conditioning import AudioConditioning
from apps.v2a.model.transformer import AudioTransformer
from apps.v2a.windows import blended
from foundation.flow.guidance import classifier_free, conditional
from foundation.flow.sampler import OnStep, Velocity, sample
from foundation.flow.schedule import flow_sigmas

Note = Callable[[str], None]
Waveforms = NDArray[np.float32]

FADE = 0.005
"""Seconds in which a sound ends: it may be cut out of a longer one."""


@dataclass(frozen=True)
class Sampling:
    """How sounds are made; the fields are the user's settings of the same names, None for the model folder's."""

    steps: int | None = None
    cfg: float | None = None
    shift: float | None = None


OWN = Sampling()


@dataclass(frozen=True)
class SoundMaker:
    """A transformer with the parts around it.

    Attributes:
        transformer: the model.
        encoders: the frozen parts.
        defaults: of the model folder.
        device: where the transformer is.
    """

    transformer: AudioTransformer
    encoders: Encoders
    defaults: SoundDefaults
    device: torch.device | str = "cpu"

    def conditions(
        self, visual: Sequence[Mapping[str, Tensor]], prompts: Sequence[str], note: Note | None = None
    ) -> AudioConditioning:
        """The conditions of some sounds.

        Args:
            visual: features (T, D) by encoder for each; empty mappings for the null video, for all of them.
            prompts: for each; all of them blank for the null text.
            note: told of prompts that are cut.
        """
        rows = {
            name: torch.stack([features[name] for features in visual]).to(self.device) for name in visual[0]
        }
        if not any(prompt.strip() for prompt in prompts):
            return AudioConditioning(rows)
        texts = self.encoders.text(prompts, note)
        lengths = torch.tensor([len(text) for text in texts], device=texts[0].device)
        text = pad_sequence(texts, batch_first=True)
        mask = torch.arange(text.shape[1], device=text.device) < lengths[:, None]
        return AudioConditioning(rows, text, None if bool(mask.all()) else mask)

    def noise(self, seeds: Sequence[int], tokens: int) -> Tensor:
        """(B, C, T, K) standard normal, a row per seed, drawn on the CPU so that a seed means the same everywhere."""
        config = self.transformer.config
        shape = (1, config.latent_channels, tokens, config.latent_bands)
        rows = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        return torch.cat(rows).to(self.device)

    @torch.no_grad()
    def denoise(
        self,
        wanted: AudioConditioning,
        unwanted: AudioConditioning,
        noise: Tensor,
        sampling: Sampling = OWN,
        on_step: OnStep | None = None,
    ) -> Tensor:
        """Latents (B, C, T, K) from noise; a sound that is longer than a window comes alone."""
        own = self.defaults
        cfg = own.cfg if sampling.cfg is None else sampling.cfg
        windows = own.layout.windows(noise.shape[2])

        def guided(some: AudioConditioning, other: AudioConditioning) -> Velocity:
            if cfg == 1:
                return conditional(self.transformer, some)
            return classifier_free(self.transformer, some, other, cfg)

        if len(windows) == 1:
            velocity = guided(wanted, unwanted)
        else:
            velocity = blended(
                windows, lambda group: guided(wanted.in_windows(group), unwanted.in_windows(group))
            )
        sigmas = flow_sigmas(sampling.steps or own.steps, sampling.shift or own.shift)
        return sample(velocity, noise, sigmas, on_step)

    def to_waveforms(self, latents: Tensor, samples: int) -> Waveforms:
        """Normalised latents (B, C, T, K) to samples (B, `samples`) float32, their end faded."""
        waveforms = self.encoders.codec.decode(latents, samples).cpu().numpy()
        fading = min(round(FADE * self.defaults.layout.sample_rate), samples)
        waveforms[:, samples - fading :] *= np.linspace(1, 0, fading, dtype=np.float32)
        return waveforms
