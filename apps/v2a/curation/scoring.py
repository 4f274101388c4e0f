"""How well a clip's sound belongs to its picture, as the model of `av_consistency` scores it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from apps.v2a.checkpoints import read_defaults
from apps.v2a.codec import MelSpec, load_mel_vae, log_mel
from apps.v2a.conditioning.sampled_frames import sample_frames
from apps.v2a.model.consistency import ConsistencyModel
from apps.v2a.model.layout import AudioLayout, sample_times, shown_at
from foundation.checkpoints.hashes import files_sha256
from foundation.checkpoints.loading import load_folder
from shared.media.sound import Sound

PART = "consistency"
"""The model's folder among the sound weights."""


@dataclass(frozen=True)
class ConsistencyScorer:
    """A model with what its inputs are made by.

    Attributes:
        model: of picture and sound.
        spec: of the spectrograms that it hears.
        layout: lengths and rates.
        identity: changes with the weights.
    """

    model: ConsistencyModel
    spec: MelSpec
    layout: AudioLayout
    identity: str

    @classmethod
    def load(cls, folder: Path) -> ConsistencyScorer:
        """From a folder of sound weights.

        Raises:
            WeightsError: a part is missing or damaged.
        """
        model = load_folder(ConsistencyModel, folder / PART, torch.float32)
        spec, layout = load_mel_vae(folder / "mel_vae").spec, read_defaults(folder).layout
        files = {file.name: file for file in sorted((folder / PART).glob("*.safetensors"))}
        return cls(model, spec, layout, "-".join(digest[:16] for digest in files_sha256(files).values()))

    @torch.no_grad()
    def __call__(self, path: Path, sound: Sound) -> float:
        """The mean over a clip's windows, -1 to 1.

        Args:
            path: a clip of at least one window.
            sound: its own, as it is stored.

        Raises:
            InputError: the picture is damaged.
        """
        side, fps = int(self.model.config.side), self.layout.sync_fps
        film = sample_frames(path, {side: fps})
        frames = film.frames[side][shown_at(film.times[side], sample_times(film.seconds, fps))]
        waveform = sound.resampled(self.spec.sample_rate).mono
        shown, heard = (round(self.layout.window_seconds * rate) for rate in (fps, self.spec.sample_rate))
        count = max(min(len(frames) // shown, len(waveform) // heard), 1)
        scores = []
        for window in range(count):
            pictures = torch.from_numpy(frames[window * shown : (window + 1) * shown])[None]
            samples = torch.from_numpy(waveform[window * heard : (window + 1) * heard])[None]
            scores.append(float(self.model(pictures, log_mel(samples, self.spec))))
        return float(np.mean(scores))
