"""Rendered clips and pictures of the toybox as a flow recipe sees them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from foundation.text.templates import TemplateKind
from foundation.training.flow_batch import flow_batch
from foundation.training.latent_cache import LatentCache
from foundation.training.loading import Batch
from foundation.training.order import BucketOrder
from foundation.training.toy_clips import Worlds
from foundation.transformer.conditioning import TextConditioning


@dataclass
class Toybox:
    """Which clips are rendered and how their captions vary.

    A caption of more than `longest_text` tokens gives way to the plain one, so that a batch pads little.
    """

    worlds: Worlds = field(
        default_factory=lambda: Worlds(scenes=16000, pairs=1000, cameras=1000, puppets=8000)
    )
    variants: int = 4
    longest_text: int = 40


class ToySamples:
    """Cached latents with one of their captions each, or the empty one (text drop-out).

    Args:
        clips: samples 0 to N - 1.
        pictures: the samples after them, in batches of their own; None where there are none.
        empty: the empty caption, for clips and for pictures.
        longest_text: see `Toybox`.
        text_dropout: share of samples with the empty caption.
        shift: of the noise levels.
    """

    def __init__(
        self,
        clips: LatentCache,
        pictures: LatentCache | None,
        empty: dict[TemplateKind, TextConditioning],
        longest_text: int,
        text_dropout: float,
        shift: float,
    ) -> None:
        self.clips, self.pictures, self.empty = clips, pictures, empty
        self.longest, self.dropout, self.shift = longest_text, text_dropout, shift

    def __len__(self) -> int:
        return len(self.clips) + (len(self.pictures) if self.pictures else 0)

    def order(self, seed: int) -> BucketOrder:
        """Clips and pictures in batches of their own, that cost about the same."""
        buckets, scales = [tuple(range(len(self.clips)))], [1.0]
        if self.pictures is not None:
            buckets.append(tuple(range(len(self.clips), len(self))))
            scales.append(self.clips.latents.shape[2] / self.pictures.latents.shape[2])
        return BucketOrder(tuple(buckets), tuple(scales), seed)

    def batch(self, ids: Sequence[int], generators: Sequence[np.random.Generator]) -> Batch:
        """Latents, noise, sigma and padded text of clips, or of pictures (see `flow_batch`)."""
        if self.pictures is not None and ids[0] >= len(self.clips):
            return self._batch(self.pictures, "image", [i - len(self.clips) for i in ids], generators)
        return self._batch(self.clips, "video", list(ids), generators)

    def _batch(
        self,
        cache: LatentCache,
        kind: TemplateKind,
        rows: list[int],
        generators: Sequence[np.random.Generator],
    ) -> Batch:
        texts = [self._text(cache, kind, row, g) for row, g in zip(rows, generators, strict=True)]
        return flow_batch(cache.latents[rows], texts, generators, self.shift)

    def _text(
        self, cache: LatentCache, kind: TemplateKind, row: int, generator: np.random.Generator
    ) -> TextConditioning:
        if generator.random() < self.dropout:
            return self.empty[kind]
        variant = int(generator.integers(cache.lengths.shape[1]))
        too_long = int(cache.lengths[row, variant]) > self.longest
        return cache.text(row, 0 if too_long else variant)
