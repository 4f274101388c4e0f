"""Rendered clips and pictures of the toybox as a flow recipe sees them."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from foundation.data.flow_batch import TEXT_ALONE, Conditions, flow_batch
from foundation.data.loading import Batch, BucketOrder
from foundation.data.toybox.latents import LatentCache
from foundation.models.transformer.conditioning import TextConditioning


@dataclass(frozen=True)
class ToyPart:
    """Clips of one length, which come in batches of their own.

    Attributes:
        cache: the clips.
        empty: the empty caption, for clips or for pictures.
        conditions: what is trained on of each.
    """

    cache: LatentCache
    empty: TextConditioning
    conditions: Conditions = TEXT_ALONE

    @property
    def cost(self) -> int:
        """Latent positions that are trained on of a clip."""
        frames, height, width = self.cache.latents.shape[2:]
        return self.conditions.frames(frames) * height * width


class ToySamples:
    """Cached latents with one of their captions each, or the empty one (text drop-out).

    Args:
        parts: the samples of one stand behind those of the one before; the first costs most.
        longest_text: see `Toybox`.
        text_dropout: share of samples with the empty caption.
        shift: of the noise levels.
    """

    def __init__(
        self, parts: Sequence[ToyPart], longest_text: int, text_dropout: float, shift: float
    ) -> None:
        self.parts, self.longest, self.dropout, self.shift = parts, longest_text, text_dropout, shift
        self.starts = [0, *accumulate(len(part.cache) for part in parts)]

    def __len__(self) -> int:
        return self.starts[-1]

    def order(self, seed: int) -> BucketOrder:
        """Batches of one part each, that cost about the same."""
        buckets = tuple(tuple(range(first, end)) for first, end in pairwise(self.starts))
        scales = tuple(self.parts[0].cost / part.cost for part in self.parts)
        return BucketOrder(buckets, scales, seed)

    def batch(self, ids: Sequence[int], generators: Sequence[np.random.Generator]) -> Batch:
        """Latents, noise, sigma, padded text and conditions of clips of one part (see `flow_batch`)."""
        number = bisect_right(self.starts, ids[0]) - 1
        part, rows = self.parts[number], [i - self.starts[number] for i in ids]
        texts = [self._text(part, row, g) for row, g in zip(rows, generators, strict=True)]
        clips = [part.cache.clip(row) for row in rows]
        return flow_batch(clips, texts, generators, self.shift, part.conditions)

    def _text(self, part: ToyPart, row: int, generator: np.random.Generator) -> TextConditioning:
        if generator.random() < self.dropout:
            return part.empty
        variant = int(generator.integers(part.cache.lengths.shape[1]))
        too_long = int(part.cache.lengths[row, variant]) > self.longest
        return part.cache.text(row, 0 if too_long else variant)
