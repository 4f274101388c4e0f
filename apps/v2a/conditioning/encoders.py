"""The frozen parts of a folder: what turns films and prompts into conditions, and sounds into latents."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from apps.v2a.checkpoints import load_image_processor, read_defaults, weight_files
from apps.v2a.codec import Codec, load_codec
from apps.v2a.conditioning.sampled_frames import SampledFrames
from apps.v2a.conditioning.visual_features import (
    ClipFeatures,
    SyncFeatures,
    VisualEncoder,
    at_token_rate,
    normalise_images,
)
from apps.v2a.model.layout import AudioLayout
from apps.v2a.model.sync_encoder import SyncEncoder
from apps.v2a.model.text_encoder import SoundText
from foundation.checkpoints.hashes import files_sha256
from foundation.checkpoints.loading import load_folder
from foundation.checkpoints.text_encoders import load_image_encoder, load_t5, load_tokenizer

DEPENDED_ON = ("mel_vae", "image_encoder", "sync_encoder", "text_encoder")
"""Parts of a folder without which latents and features would be others; a vocoder may be exchanged."""


@dataclass(frozen=True)
class Encoders:
    """The frozen encoders and the codec.

    Attributes:
        visual: by the names that the transformer knows them by.
        text: the T5 encoder.
        codec: waveforms to latents and back.
        layout: lengths and rates.
    """

    visual: Mapping[str, VisualEncoder]
    text: SoundText
    codec: Codec
    layout: AudioLayout

    @classmethod
    def load(cls, folder: Path, dtype: torch.dtype = torch.float32) -> Encoders:
        """From a folder's parts.

        Raises:
            WeightsError: a part is missing or damaged.
        """
        layout = read_defaults(folder).layout
        image_encoder = load_image_encoder(folder / "image_encoder", dtype)
        sync_encoder = load_folder(SyncEncoder, folder / "sync_encoder", dtype)
        text = SoundText(load_t5(folder / "text_encoder", dtype), load_tokenizer(folder / "tokenizer"))
        visual = visual_encoders(image_encoder, load_image_processor(folder), sync_encoder, layout)
        return cls(visual, text, load_codec(folder), layout)

    @property
    def rates(self) -> dict[int, float]:
        """Side of each visual encoder's pictures -> how many a second it is shown, the most where two share one."""
        rates: dict[int, float] = {}
        for encoder in self.visual.values():
            rates[encoder.side] = max(rates.get(encoder.side, 0.0), encoder.fps)
        return rates

    def see(self, seen: SampledFrames, tokens: int) -> dict[str, Tensor]:
        """The visual conditions of a film, (tokens, D) by encoder."""
        return see(self.visual, seen, self.layout, tokens)

    @torch.no_grad()
    def hear(self, waveform: NDArray[np.float32]) -> Tensor:
        """The latents (C, T, K) of samples (N,)."""
        return self.codec.encode(torch.from_numpy(waveform)[None])[0].float().cpu()


def visual_encoders(
    image_encoder: torch.nn.Module, image_processor: object, sync_encoder: SyncEncoder, layout: AudioLayout
) -> dict[str, VisualEncoder]:
    """The visual encoders under their names."""
    return {
        "clip": ClipFeatures(image_encoder, image_processor, layout.clip_fps),
        "sync": SyncFeatures(sync_encoder, layout.sync_fps),
    }


def see(
    encoders: Mapping[str, VisualEncoder], seen: SampledFrames, layout: AudioLayout, tokens: int
) -> dict[str, Tensor]:
    """What each encoder sees in a film, (tokens, D) at the rate of the audio's tokens."""
    features = {
        name: normalise_images(encoder, seen.frames[encoder.side], seen.times[encoder.side], seen.seconds)
        for name, encoder in encoders.items()
    }
    return {name: at_token_rate(rows, encoders[name].fps, layout, tokens) for name, rows in features.items()}


def fingerprint(folder: Path) -> str:
    """Identity of all that latents and features depend on: a hash over the files of `DEPENDED_ON`."""
    files = {name: file for name, file in weight_files(folder).items() if name.split("/")[0] in DEPENDED_ON}
    words = "".join(f"{name} {digest}\n" for name, digest in sorted(files_sha256(files).items()))
    return hashlib.sha256(words.encode()).hexdigest()
