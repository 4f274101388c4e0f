"""A folder of clips becomes latents and embeddings on disk, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch

from foundation.checkpoints.hashes import latents_sha256, text_sha256
from foundation.data.encoding import ClipEncoder, encode_captions, encode_clips, encode_stills
from foundation.data.folder.buckets import Bucket, ClipSettings, nearest_frames
from foundation.data.folder.folder import Item, read_folder
from foundation.data.folder.planning import Plan, overview, plan
from foundation.data.folder.prepared import (
    Prepared,
    Sample,
    Shards,
    Source,
    caption_key,
    latents_folder,
    read_prepared,
    stills_folder,
    text_kind,
    texts_folder,
)
from foundation.models.text import TextEncoder
from foundation.models.text.templates import TemplateKind
from foundation.models.vae.model import CausalVideoVAE
from shared.console import note, progress
from shared.errors import ConfigError
from shared.media.film import look_through, picked
from shared.media.picture import covering, read_png

if TYPE_CHECKING:
    from numpy.typing import NDArray


def clip_frames(item: Item, bucket: Bucket, fps: float) -> NDArray[np.uint8]:
    """The clip from its beginning at another rate, resized and cut to the bucket's size around the middle.

    Returns:
        (F, H, W, 3) uint8.

    Raises:
        InputError: the file is no longer what it was when the folder was read.
    """
    if item.medium.still:
        pictures = iter([read_png(item.path)])
    else:
        times = look_through(item.path).times
        pictures = picked(item.path, nearest_frames(times.tolist(), fps, bucket.frames))
    return np.stack([covering(picture, bucket.height, bucket.width) for picture in pictures])


SHARD_BYTES = 1 << 26
"""Latents of one shard at most: what a kill can cost, and what stands in memory while they are made."""

MOST_CLIPS = 500
MOST_CAPTIONS = 500
"""Rows of one shard at most."""

PIXELS_AT_ONCE = 20 * 17 * 64 * 64
"""Clips go through the VAE together up to this many pixels, larger ones one by one."""

CAPTIONS_AT_ONCE = 20

Anything = TypeVar("Anything")

Refuse = Callable[[Item, Bucket], None]


@dataclass(frozen=True)
class Wanted:
    """What a recipe wants of a folder, beside latents and captions.

    Attributes:
        stills: those of every clip, too (see `EncodedClip`).
        refuse: raises an `InputError` for what it does not train on; None: it takes everything.
    """

    stills: bool = False
    refuse: Refuse | None = None


CLIPS = Wanted()


def prepare_folder(
    folder: Path,
    settings: ClipSettings,
    vae: CausalVideoVAE,
    text: TextEncoder,
    cache_root: Path,
    say: Callable[[str], None] = note,
    wanted: Wanted = CLIPS,
) -> Prepared:
    """Say which clips of a folder are used, and encode those that the cache does not hold yet.

    Rows are found by content: the file's sha256, its bucket and rate, the caption's text, and the encoders'
    weights. So a folder that changed costs what is new in it, and a run that was killed goes on at its last shard.

    Args:
        folder: clips and pictures with captions (see `read_folder`).
        settings: size, frames and rate that the model is trained at.
        vae: the frozen VAE, where it shall run, in tiles where memory asks for it.
        text: the frozen text encoders.
        cache_root: where shards and the list of samples go.
        say: is told which clips are used; of several processes one says it.
        wanted: by the recipe.

    Raises:
        InputError: nothing in the folder can be used.
        ResourceError: the disk is full; what was finished stays.
    """
    source = Source(str(folder.resolve()), latents_sha256(vae), text_sha256(text), settings)
    latents = Shards(latents_folder(cache_root, source.vae))
    texts = Shards(texts_folder(cache_root, source.text))

    def check(item: Item, bucket: Bucket) -> None:
        if wanted.refuse is not None:
            wanted.refuse(item, bucket)
        text.check([one for one in item.captions if caption_key(one, text_kind(bucket)) not in texts])

    planned = plan(read_folder(folder), settings, check)
    for line in overview(planned):
        say(line)
    planned.check_usable()
    prepared = Prepared(cache_root, source, _samples(planned))
    _say_what_changed(prepared)
    _cache_captions(planned, text, texts)
    _cache_latents(planned, vae, latents, encode_clips)
    if wanted.stills:
        _cache_latents(planned, vae, Shards(stills_folder(cache_root, source.vae)), encode_stills)
    prepared.write()
    return prepared


def _samples(planned: Plan) -> tuple[Sample, ...]:
    samples = [
        Sample(
            item.name,
            bucket,
            _latents_key(item, bucket, planned.settings.fps),
            tuple(caption_key(caption, text_kind(bucket)) for caption in item.captions),
        )
        for bucket, items in planned.buckets.items()
        for item in items
    ]
    return tuple(sorted(samples, key=lambda sample: sample.name))


def _latents_key(item: Item, bucket: Bucket, fps: float) -> str:
    rate = "" if bucket.still else f"-{fps:g}"
    return f"{item.medium.sha256}-{bucket}{rate}"


def _say_what_changed(prepared: Prepared) -> None:
    if not prepared.path.exists():
        return
    try:
        before = {sample.name: sample for sample in read_prepared(prepared.path).samples}
    except ConfigError as error:
        note(str(error))
        return
    now = {sample.name: sample for sample in prepared.samples}
    counts = {
        "new": len(now.keys() - before.keys()),
        "gone": len(before.keys() - now.keys()),
        "changed": sum(before[name] != now[name] for name in now.keys() & before.keys()),
    }
    if any(counts.values()):
        words = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        note(f"{prepared.source.folder} is not what it was when it was last prepared: {words}")


def _cache_captions(planned: Plan, text: TextEncoder, texts: Shards) -> None:
    """Encode the captions that are missing, and the empty one for each kind of medium."""
    wanted: dict[TemplateKind, dict[str, str]] = {}
    for bucket, items in planned.buckets.items():
        kind = text_kind(bucket)
        captions = ["", *(caption for item in items for caption in item.captions)]
        wanted.setdefault(kind, {}).update({caption_key(caption, kind): caption for caption in captions})
    missing = {k: {key: c for key, c in rows.items() if key not in texts} for k, rows in wanted.items()}
    _say_how_much("captions", sum(map(len, missing.values())), sum(map(len, wanted.values())))
    with progress(sum(map(len, missing.values())), "encoding captions") as bar:
        for kind, rows in missing.items():
            for keys in _groups(list(rows), MOST_CAPTIONS):
                parts = [
                    encode_captions([rows[key] for key in part], text, kind, note)
                    for part in _groups(keys, CAPTIONS_AT_ONCE)
                ]
                texts.add(kind, keys, {name: torch.cat([part[name] for part in parts]) for name in parts[0]})
                bar.advance(len(keys))


def _cache_latents(planned: Plan, vae: CausalVideoVAE, latents: Shards, encode: ClipEncoder) -> None:
    """Encode the clips that are missing, bucket by bucket."""
    fps = planned.settings.fps
    wanted = {
        bucket: {_latents_key(item, bucket, fps): item for item in items}
        for bucket, items in planned.buckets.items()
    }
    missing = {
        b: {key: item for key, item in rows.items() if key not in latents} for b, rows in wanted.items()
    }
    count = sum(map(len, missing.values()))
    _say_how_much("clips", count, sum(map(len, wanted.values())))
    with progress(count, "encoding clips") as bar:
        for bucket, rows in missing.items():
            at_once = max(1, PIXELS_AT_ONCE // (bucket.frames * bucket.height * bucket.width))
            for keys in _groups(list(rows), _clips_per_shard(bucket, vae)):
                encoded = []
                for part in _groups(keys, at_once):
                    encoded.append(encode([clip_frames(rows[key], bucket, fps) for key in part], vae))
                    bar.advance(len(part))
                latents.add(str(bucket), keys, {"latents": torch.cat(encoded)})


def _clips_per_shard(bucket: Bucket, vae: CausalVideoVAE) -> int:
    ratio = vae.config.spatial_compression_ratio
    values = bucket.latent_frames * (bucket.height // ratio) * (bucket.width // ratio)
    return min(MOST_CLIPS, max(1, SHARD_BYTES // (2 * values * vae.config.latent_channels)))


def _say_how_much(what: str, missing: int, wanted: int) -> None:
    if missing:
        kept = f"; {wanted - missing} are in the cache" if wanted > missing else ""
        note(f"encoding {missing} {what}{kept}")


def _groups(items: Sequence[Anything], size: int) -> Iterator[list[Anything]]:
    rest = iter(items)
    while group := list(islice(rest, size)):
        yield group
