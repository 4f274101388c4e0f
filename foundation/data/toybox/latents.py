"""Toybox clips as a model sees them: latents and encoded captions, in sharded safetensors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor
from tqdm import tqdm

from foundation.checkpoints.hashes import latents_sha256, text_sha256
from foundation.data.encoding import ClipEncoder, encode_captions, encode_clips, encode_stills
from foundation.data.flow_batch import EncodedClip
from foundation.models.text import TextEncoder
from foundation.models.text.templates import TemplateKind
from foundation.models.transformer.conditioning import TextConditioning
from foundation.models.vae.model import CausalVideoVAE
from shared.console import note
from shared.errors import first_line
from shared.media.files import replacing
from shared.toybox.mix import ToyClip, caption_clip, toy_clip

SHARD = 500
"""Clips per shard."""

BATCH = 20
"""Clips of the default shape that are encoded at a time; of larger ones fewer, so that memory stays the same."""


class LatentCache:
    """Latents (N, C, T, h, w), with or without stills, and encoded captions per clip, in memory in bfloat16."""

    def __init__(
        self,
        clips: Sequence[dict[str, Tensor]],
        captions: Sequence[dict[str, Tensor]],
        stills: Sequence[dict[str, Tensor]] = (),
    ) -> None:
        self.latents = torch.cat([shard["latents"] for shard in clips])
        self.stills = torch.cat([shard["latents"] for shard in stills]) if stills else None
        self.pooled = torch.cat([shard["pooled"] for shard in captions])  # (N, variants, D_pool)
        self.tokens = torch.cat([shard["tokens"] for shard in captions])  # all captions' tokens in one row
        lengths = torch.cat([shard["lengths"] for shard in captions])  # (N, variants)
        self.lengths = lengths
        self.starts = (lengths.flatten().cumsum(0) - lengths.flatten()).view_as(lengths)

    def __len__(self) -> int:
        return len(self.latents)

    def clip(self, clip: int) -> EncodedClip:
        """One clip's latents, and its stills where there are any."""
        return EncodedClip(self.latents[clip], None if self.stills is None else self.stills[clip])

    def text(self, clip: int, variant: int) -> TextConditioning:
        """One encoded caption: embeds (1, L, D), no mask, pooled (1, D_pool)."""
        start, length = int(self.starts[clip, variant]), int(self.lengths[clip, variant])
        return TextConditioning(
            self.tokens[None, start : start + length], None, self.pooled[clip, variant][None]
        )


@dataclass(frozen=True)
class ClipShape:
    """Frames and size in pixels that clips are rendered at; one frame is a picture."""

    frames: int = 17
    width: int = 64
    height: int = 64

    @property
    def kind(self) -> TemplateKind:
        """Which template the captions go into."""
        return "image" if self.frames == 1 else "video"

    @property
    def pixels(self) -> int:
        """Of all frames together."""
        return self.frames * self.width * self.height

    def clip(self, seed: int, world: str) -> ToyClip:
        """One of the toybox's clips in this shape."""
        return toy_clip(seed, world, frames=self.frames, size=(self.width, self.height))


DEFAULT_SHAPE = ClipShape()


def prepare_toybox(
    root: Path,
    mixture: dict[str, int],
    variants: int,
    vae: CausalVideoVAE,
    text: TextEncoder,
    shape: ClipShape = DEFAULT_SHAPE,
    stills: bool = False,
) -> LatentCache:
    """Render, encode and cache clips of several worlds; what is already on disk is not computed again.

    Args:
        root: where the shards go, in a folder per encoder that is named after the encoder's weights.
        mixture: world -> number of clips.
        variants: captions per clip: one plain, the others in free and structured wording.
        vae: the frozen VAE.
        text: the frozen text encoders.
        shape: of the clips.
        stills: see `EncodedClip`.
    """
    jobs = [
        (world, range(start, min(start + SHARD, count)))
        for world, count in mixture.items()
        for start in range(0, count, SHARD)
    ]
    shaped = "" if shape == DEFAULT_SHAPE else f"-{shape.frames}x{shape.height}x{shape.width}"
    still = "-pictures" if shape.kind == "image" else ""
    latents = root / f"latents-{latents_sha256(vae)[:16]}{shaped}"
    captions = root / f"captions-{text_sha256(text)[:16]}-{variants}{still}"
    encode_words = partial(_encode_captions, variants=variants, text=text, kind=shape.kind)
    encode = partial(_encode_clips, vae=vae, shape=shape)
    alone = latents.with_name(f"{latents.name}-stills")
    return LatentCache(
        cached_shards(latents, jobs, partial(encode, encoder=encode_clips)),
        cached_shards(captions, jobs, encode_words),
        cached_shards(alone, jobs, partial(encode, encoder=encode_stills)) if stills else (),
    )


Shard = dict[str, Tensor]


def cached_shards(
    folder: Path, jobs: list[tuple[str, range]], encode: Callable[[str, range], Shard]
) -> list[Shard]:
    """What `encode` makes of each job, computed once and then read from a shard of the job's own.

    A shard that is damaged is made again.

    Args:
        folder: of the shards.
        jobs: world and seeds.
        encode: makes the tensors of a job.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shards = []
    for world, seeds in tqdm(jobs, desc=f"encoding {folder.name}", unit="shard", disable=None):
        path = folder / f"{world}-{seeds.start:06d}-{seeds.stop:06d}.safetensors"
        shard = _read_shard(path)
        if shard is None:
            with replacing(path) as temporary:
                temporary.write_bytes(save(encode(world, seeds)))
            shard = load_file(path)
        shards.append(shard)
    return shards


def _read_shard(path: Path) -> Shard | None:
    if not path.exists():
        return None
    try:
        return load_file(path)
    except SafetensorError as error:
        note(f"{path} is damaged and is made again: {first_line(error)}")
        return None


def _encode_clips(
    world: str, seeds: range, vae: CausalVideoVAE, shape: ClipShape, encoder: ClipEncoder
) -> Shard:
    latents = []
    batch = max(1, min(BATCH, BATCH * DEFAULT_SHAPE.pixels // shape.pixels))
    for first in range(seeds.start, seeds.stop, batch):
        clips = [shape.clip(seed, world).frames for seed in range(first, min(first + batch, seeds.stop))]
        latents.append(encoder(clips, vae))
    return {"latents": torch.cat(latents)}


def _encode_captions(world: str, seeds: range, variants: int, text: TextEncoder, kind: TemplateKind) -> Shard:
    shape = ClipShape(frames=1 if kind == "image" else 5)  # captions tell pictures from clips, no more
    parts = []
    for first in range(seeds.start, seeds.stop, BATCH):
        clips = [shape.clip(seed, world) for seed in range(first, min(first + BATCH, seeds.stop))]
        captions = [caption_clip(clip, variant) for clip in clips for variant in range(variants)]
        parts.append(encode_captions(captions, text, kind))
    rows = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    return {
        "tokens": rows["tokens"],
        "lengths": rows["lengths"].view(-1, variants),
        "pooled": rows["pooled"].unflatten(0, (-1, variants)),
    }
