"""A prepared folder as the trainer takes it: batches of one bucket, read from disk as they are needed."""

from collections.abc import Sequence

import numpy as np
import torch

from foundation.data.prepared import Prepared, caption_key, text_kind, text_row
from foundation.training.flow_batch import flow_batch
from foundation.training.loading import Batch
from foundation.training.order import BucketOrder
from foundation.transformer.conditioning import TextConditioning


class FolderSamples:
    """Latents of clips and pictures, each with one of its captions, or the empty one (text drop-out).

    Raises:
        ConfigError: the cache lacks latents or embeddings of a sample.
    """

    def __init__(self, prepared: Prepared, shift: float, text_dropout: float = 0.1) -> None:
        self.fingerprint = prepared.sha256
        self.samples, self.shift, self.dropout = prepared.samples, shift, text_dropout
        self.latents, self.texts = prepared.latents(), prepared.texts()
        self.latents.check(sample.latents for sample in self.samples)
        self.texts.check(key for sample in self.samples for key in sample.captions)

    def __len__(self) -> int:
        return len(self.samples)

    def order(self, seed: int) -> BucketOrder:
        """Batches of one bucket each; those of short or small clips are larger by as much as they cost less."""
        buckets = sorted({sample.bucket for sample in self.samples}, reverse=True)
        members = {bucket: [] for bucket in buckets}
        for index, sample in enumerate(self.samples):
            members[sample.bucket].append(index)
        dearest = max(bucket.tokens for bucket in buckets)
        scales = tuple(dearest / bucket.tokens for bucket in buckets)
        return BucketOrder(tuple(map(tuple, members.values())), scales, seed)

    def batch(self, ids: Sequence[int], generators: Sequence[np.random.Generator]) -> Batch:
        """Latents, noise, sigma and padded text of clips of one bucket (see `flow_batch`)."""
        texts = [self._text(i, g) for i, g in zip(ids, generators, strict=True)]
        latents = torch.stack([self.latents.row(self.samples[i].latents, "latents") for i in ids])
        return flow_batch(latents, texts, generators, self.shift)

    def _text(self, index: int, generator: np.random.Generator) -> TextConditioning:
        sample = self.samples[index]
        if generator.random() < self.dropout:
            return text_row(self.texts, caption_key("", text_kind(sample.bucket)))
        return text_row(self.texts, sample.captions[int(generator.integers(len(sample.captions)))])
