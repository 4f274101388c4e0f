"""A batch of the flow objective, every random number of a sample drawn from its own generator."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from foundation.flow.objective import logit_normal_sigma
from foundation.training.loading import Batch
from foundation.transformer.conditioning import TextConditioning


def flow_batch(
    latents: Tensor,
    texts: Sequence[TextConditioning],
    generators: Sequence[np.random.Generator],
    shift: float,
) -> Batch:
    """Latents and text of some samples with a noise level and noise each.

    Args:
        latents: (B, C, T, h, w).
        texts: one per sample, of any length.
        generators: one per sample.
        shift: of the noise levels.

    Returns:
        `latents`, `noise` (B, C, T, h, w), `sigma` (B,), `embeds`, `pooled`, and `mask` where lengths differ.
    """
    text = TextConditioning.batch(texts)
    normal = torch.tensor([g.standard_normal() for g in generators])
    noise = np.stack([g.standard_normal(latents.shape[1:], dtype=np.float32) for g in generators])
    batch = {
        "latents": latents.float(),
        "noise": torch.from_numpy(noise),
        "sigma": logit_normal_sigma(normal, shift),
        "embeds": text.embeds.float(),
        "pooled": text.pooled.float(),
    }
    return batch if text.mask is None else {**batch, "mask": text.mask}
