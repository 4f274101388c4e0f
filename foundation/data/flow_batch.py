"""A batch of the flow objective, every random number of a sample drawn from its own generator."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from foundation.data.loading import Batch
from foundation.flow.objective import logit_normal_sigma
from foundation.models.transformer.conditioning import TextConditioning


class EncodedClip(NamedTuple):
    """A clip as the VAE codes it.

    Attributes:
        latents: (C, T, h, w), normalised.
        stills: (C, T, h, w), latent frame t that of frame 4t coded on its own; None where nobody asked for them.
    """

    latents: Tensor
    stills: Tensor | None = None


class Conditions(Protocol):
    """What a recipe trains on of a clip, and what it tells the model beside the text.

    Attributes:
        stills: whether clips must come with theirs.
    """

    stills: bool

    def frames(self, clip: int) -> int:
        """How many latent frames of a clip of that many are trained on."""
        ...

    def __call__(
        self, clip: EncodedClip, generator: np.random.Generator
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Latents to train on (C, T, h, w), and conditions by their slot of `Conditioning`, without batch axis."""
        ...


class TextAlone:
    """Whole clips, and nothing beside the text."""

    stills = False

    def frames(self, clip: int) -> int:
        """All of them."""
        return clip

    def __call__(
        self, clip: EncodedClip, generator: np.random.Generator
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The clip; nothing is drawn."""
        return clip.latents, {}


TEXT_ALONE = TextAlone()


def flow_batch(
    clips: Sequence[EncodedClip],
    texts: Sequence[TextConditioning],
    generators: Sequence[np.random.Generator],
    shift: float,
    conditions: Conditions,
) -> Batch:
    """Latents, text and conditions of some samples with a noise level and noise each.

    Args:
        clips: one per sample; what `conditions` take of them is of one shape.
        texts: one per sample, of any length.
        generators: one per sample.
        shift: of the noise levels.
        conditions: the recipe's.

    Returns:
        `latents`, `noise` (B, C, T, h, w), `sigma` (B,), `embeds`, `pooled`, `mask` where lengths differ, and the
        conditions' slots.
    """
    drawn = [conditions(clip, generator) for clip, generator in zip(clips, generators, strict=True)]
    latents = torch.stack([latents for latents, _ in drawn]).float()
    slots = {name: torch.stack([told[name] for _, told in drawn]).float() for name in drawn[0][1]}
    text = TextConditioning.batch(texts)
    normal = torch.tensor([g.standard_normal() for g in generators])
    noise = np.stack([g.standard_normal(latents.shape[1:], dtype=np.float32) for g in generators])
    batch = {
        "latents": latents,
        "noise": torch.from_numpy(noise),
        "sigma": logit_normal_sigma(normal, shift),
        "embeds": text.embeds.float(),
        "pooled": text.pooled.float(),
        **slots,
    }
    return batch if text.mask is None else {**batch, "mask": text.mask}
