"""A prepared folder as the trainer takes it: batches of one bucket, read from disk as they are needed."""

from collections.abc import Sequence

import numpy as np

from foundation.data.flow_batch import TEXT_ALONE, Conditions, EncodedClip, flow_batch
from foundation.data.folder.buckets import Bucket
from foundation.data.folder.prepared import Prepared, caption_key, text_kind, text_row
from foundation.data.loading import Batch, BucketOrder
from foundation.models.transformer.conditioning import TextConditioning


class FolderSamples:
    """Latents of clips and pictures, each with one of its captions, or the empty one (text drop-out).

    Args:
        prepared: the folder.
        shift: of the noise levels.
        text_dropout: share of samples with the empty caption.
        conditions: what is trained on of each clip.

    Raises:
        ConfigError: the cache lacks latents or embeddings of a sample.
    """

    def __init__(
        self,
        prepared: Prepared,
        shift: float,
        text_dropout: float = 0.1,
        conditions: Conditions = TEXT_ALONE,
    ) -> None:
        self.fingerprint = prepared.sha256
        self.samples, self.shift, self.dropout = prepared.samples, shift, text_dropout
        self.conditions = conditions
        self.latents, self.texts = prepared.latents(), prepared.texts()
        self.stills = prepared.stills() if conditions.stills else None
        self.latents.check(sample.latents for sample in self.samples)
        if self.stills is not None:
            self.stills.check(sample.latents for sample in self.samples)
        self.texts.check(key for sample in self.samples for key in sample.captions)

    def __len__(self) -> int:
        return len(self.samples)

    def order(self, seed: int) -> BucketOrder:
        """Batches of one bucket each; those of short or small clips are larger by as much as they cost less."""
        buckets = sorted({sample.bucket for sample in self.samples}, reverse=True)
        members = {bucket: [] for bucket in buckets}
        for index, sample in enumerate(self.samples):
            members[sample.bucket].append(index)
        costs = [self._cost(bucket) for bucket in buckets]
        scales = tuple(max(costs) / cost for cost in costs)
        return BucketOrder(tuple(map(tuple, members.values())), scales, seed)

    def batch(self, ids: Sequence[int], generators: Sequence[np.random.Generator]) -> Batch:
        """Latents, noise, sigma, padded text and conditions of clips of one bucket (see `flow_batch`)."""
        texts = [self._text(i, g) for i, g in zip(ids, generators, strict=True)]
        clips = [self._clip(self.samples[i].latents) for i in ids]
        return flow_batch(clips, texts, generators, self.shift, self.conditions)

    def _cost(self, bucket: Bucket) -> int:
        """Video tokens that are trained on of a clip."""
        return bucket.tokens // bucket.latent_frames * self.conditions.frames(bucket.latent_frames)

    def _clip(self, key: str) -> EncodedClip:
        stills = None if self.stills is None else self.stills.row(key, "latents")
        return EncodedClip(self.latents.row(key, "latents"), stills)

    def _text(self, index: int, generator: np.random.Generator) -> TextConditioning:
        sample = self.samples[index]
        if generator.random() < self.dropout:
            return text_row(self.texts, caption_key("", text_kind(sample.bucket)))
        return text_row(self.texts, sample.captions[int(generator.integers(len(sample.captions)))])
