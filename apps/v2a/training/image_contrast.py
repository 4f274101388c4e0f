"""What things sound like, learned by CLIP's eyes: still pictures against the sounds of their clips.

In the manner of AudioCLIP (Guzhov et al. 2021). Stills do not tell when something happens, so that what is left to tell
sounds apart by is of what things are made.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from apps.v2a.model.consistency import SoundTower

if TYPE_CHECKING:
    from transformers import PreTrainedModel

RATE = 0.5
"""Features of a sound for each frame of its spectrogram, before their mean and their largest are taken."""


class PictureLearner(nn.Module):
    """CLIP's eyes, and an ear and heads that are thrown away.

    Args:
        eyes: transformers' CLIP vision tower.
        mel_bands: of the spectrograms.
        width: of the ear.
        layers: of the ear.
        joint: of the space in which both meet.
    """

    def __init__(
        self, eyes: PreTrainedModel, mel_bands: int, width: int = 64, layers: int = 3, joint: int = 64
    ) -> None:
        super().__init__()
        self.eyes = eyes
        self.ear = SoundTower(mel_bands, width, layers, kernel=3)
        self.seen_head, self.heard_head = (
            nn.Linear(eyes.config.hidden_size, joint),
            nn.Linear(2 * width, joint),
        )
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))

    def see(self, frames: Tensor) -> Tensor:
        """Stills (B, n, S, S, 3) uint8, as the starter's eyes are shown them, to unit vectors (B, joint)."""
        pixels = frames.flatten(0, 1).movedim(-1, 1) / 127.5 - 1
        pooled = self.eyes(pixel_values=pixels).pooler_output.unflatten(0, frames.shape[:2])
        return functional.normalize(self.seen_head(pooled.mean(dim=1)), dim=-1)

    def hear(self, log_mel: Tensor) -> Tensor:
        """Log-mel spectrograms (B, M, mel_bands) to unit vectors (B, joint)."""
        states = self.ear(log_mel, round(RATE * log_mel.shape[1]))
        told = torch.cat([states.mean(dim=1), states.amax(dim=1)], dim=-1)
        return functional.normalize(self.heard_head(told), dim=-1)


class PictureObjective(nn.Module):
    """Contrast of clips in a batch: whose sound is it, and whose picture."""

    def __init__(self, model: PictureLearner) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """A batch of `frames` (B, n, S, S, 3) and `log_mel` (B, M, F) -> the loss, and the share that is `right`."""
        seen, heard = self.model.see(batch["frames"]), self.model.hear(batch["log_mel"])
        logits = self.model.log_scale.exp() * seen.float() @ heard.float().T
        own = torch.arange(len(logits), device=logits.device)
        loss = (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2
        return loss, {"right": (logits.argmax(dim=1) == own).float().mean()}
