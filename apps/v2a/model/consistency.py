"""Whether a sound belongs to a picture: a contrastive model of both, along time.

In the manner of CAVP (Luo et al., "Diff-Foley", 2023), as the paper's data pipeline asks for: features of picture and
sound agree where they belong together, and neither another clip's sound nor the same one at another time does.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional

from apps.v2a.model.sync_encoder import SyncEncoder, TimeBlock

if TYPE_CHECKING:
    from transformers import T5EncoderModel

LOG_MEL_MIDDLE, LOG_MEL_SPREAD = -6.0, 3.0
"""Brings natural-logarithmic mel spectrograms near to zero mean and unit deviation."""


class SoundTower(nn.Module):
    """Log-mel spectrograms to features at the picture's rate."""

    def __init__(self, mel_bands: int, width: int, layers: int, kernel: int) -> None:
        super().__init__()
        self.proj_in = nn.Linear(mel_bands, width)
        self.blocks = nn.ModuleList(TimeBlock(width, kernel, dilation=2**layer) for layer in range(layers))
        self.norm_out = nn.LayerNorm(width)

    def forward(self, log_mel: Tensor, moments: int) -> Tensor:
        """Map (B, M, mel_bands) to (B, moments, width)."""
        features = self.proj_in((log_mel - LOG_MEL_MIDDLE) / LOG_MEL_SPREAD)
        for block in self.blocks:
            features = block(features)
        resized = functional.interpolate(features.transpose(1, 2), size=moments, mode="linear")
        return self.norm_out(resized.transpose(1, 2))


class ConsistencyModel(ModelMixin, ConfigMixin):
    """The synchronisation encoder with a tower that hears; both end in one space."""

    @register_to_config
    def __init__(
        self,
        side: int = 32,
        channels: tuple[int, ...] = (24, 48, 64),
        width: int = 64,
        layers: int = 4,
        kernel: int = 3,
        mel_bands: int = 80,
        joint: int = 64,
    ) -> None:
        super().__init__()
        self.video = SyncEncoder(side, channels, width, layers, kernel)
        self.sound = SoundTower(mel_bands, width, layers, kernel)
        self.video_head, self.sound_head = nn.Linear(width, joint), nn.Linear(width, joint)
        # Averages over a clip differ little: the scale makes up for it.
        self.log_scale = nn.Parameter(torch.tensor(math.log(20.0)))

    def see(self, frames: Tensor) -> Tensor:
        """Frames (B, T, side, side, 3) uint8 to unit vectors (B, T, joint)."""
        return functional.normalize(self.video_head(self.video(frames)), dim=-1)

    def hear(self, log_mel: Tensor, moments: int) -> Tensor:
        """Log-mel spectrograms (B, M, mel_bands) to unit vectors (B, moments, joint)."""
        return functional.normalize(self.sound_head(self.sound(log_mel, moments)), dim=-1)

    def forward(self, frames: Tensor, log_mel: Tensor) -> Tensor:
        """How well pictures and sounds of the same seconds agree: (B,) in [-1, 1]."""
        seen = self.see(frames)
        return (seen * self.hear(log_mel, seen.shape[1])).sum(dim=-1).mean(dim=1)


class ConsistencyLearner(nn.Module):
    """The model, a text encoder that learns what words sound like, and heads that are thrown away.

    Args:
        consistency: the model.
        text: a transformers T5 encoder.
        mel_groups: bands of the spectrogram that the picture is asked to foretell.
    """

    def __init__(self, consistency: ConsistencyModel, text: T5EncoderModel, mel_groups: int = 10) -> None:
        super().__init__()
        self.consistency, self.text = consistency, text
        width, joint = consistency.config.width, consistency.config.joint
        self.envelope = nn.Linear(width, mel_groups)
        self.text_head = nn.Linear(text.config.d_model, joint)
        self.heard_head = nn.Linear(width, joint)
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))


class ConsistencyObjective(nn.Module):
    """Contrast between clips and within them, the foretold envelope, and words against sounds."""

    def __init__(
        self, model: ConsistencyLearner, shifts: int, envelope_weight: float, text_weight: float
    ) -> None:
        super().__init__()
        self.model = model
        self.shifts, self.envelope_weight, self.text_weight = shifts, envelope_weight, text_weight

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """A batch of `frames` (B, T, S, S, 3), `log_mel` (B, M, F), `shifts` (B, shifts), `ids`, `mask` (B, L)."""
        model, frames = self.model.consistency, batch["frames"]
        video = model.video(frames)
        sound = model.sound(batch["log_mel"], frames.shape[1])
        seen = functional.normalize(model.video_head(video), dim=-1)
        heard = functional.normalize(model.sound_head(sound), dim=-1)
        contrast, right = self._contrast(seen, heard, batch["shifts"])
        envelope = self._envelope(video, batch["log_mel"])
        words = self._words(sound, batch["ids"], batch["mask"])
        loss = contrast + self.envelope_weight * envelope + self.text_weight * words
        logged = {"contrast": contrast, "right": right, "envelope": envelope, "words": words}
        return loss, {name: value.detach() for name, value in logged.items()}

    def _contrast(self, seen: Tensor, heard: Tensor, shifts: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy of the own sound against other clips' and its own, shifted; and how often it wins."""
        moments = seen.shape[1]
        pairs = torch.einsum("btd,ctd->bc", seen, heard) / moments
        places = (torch.arange(moments, device=seen.device) + shifts[..., None]) % moments  # (B, S, T)
        moved = torch.stack([row[place] for row, place in zip(heard, places, strict=True)])  # (B, S, T, D)
        late = torch.einsum("btd,bstd->bs", seen, moved) / moments
        target = torch.arange(len(seen), device=seen.device)
        scale = self.model.consistency.log_scale.exp()
        logits = torch.cat([pairs, late], dim=1) * scale
        loss = functional.cross_entropy(logits, target) + functional.cross_entropy(pairs.T * scale, target)
        return loss / 2, (logits.argmax(dim=1) == target).float().mean()

    def _envelope(self, video: Tensor, log_mel: Tensor) -> Tensor:
        """Squared error of the spectrogram in a few bands, at the picture's rate, from the picture alone."""
        groups = self.model.envelope.out_features
        level = (log_mel - LOG_MEL_MIDDLE) / LOG_MEL_SPREAD
        wanted = functional.adaptive_avg_pool2d(level, (video.shape[1], groups))
        return functional.mse_loss(self.model.envelope(video), wanted)

    def _words(self, sound: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """Cross-entropy of each sound's caption against the others', and of each caption's sound."""
        states = self.model.text(input_ids=ids, attention_mask=mask).last_hidden_state
        weight = mask[..., None].to(states.dtype)
        said = self.model.text_head((states * weight).sum(dim=1) / weight.sum(dim=1))
        heard = self.model.heard_head(sound.mean(dim=1))
        scale = self.model.log_scale.exp()
        logits = scale * functional.normalize(said, dim=-1) @ functional.normalize(heard, dim=-1).T
        target = torch.arange(len(logits), device=logits.device)
        return (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)) / 2
