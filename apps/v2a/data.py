"""Training samples: latents, visual features and encoded captions of sounds, cached; noise and drop-outs per batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from apps.v2a.conditioning.captions import entry_captions
from apps.v2a.conditioning.encoders import Encoders, fingerprint
from apps.v2a.conditioning.sampled_frames import sample_frames
from apps.v2a.toybox import caption, seen, training_rate
from apps.v2a.training.config import DropOut, ToySounds
from foundation.checkpoints.hashes import files_sha256
from foundation.data.folder.folder import Item, read_folder
from foundation.data.loading import Batch
from foundation.data.toybox.latents import Shard, cached_shards
from foundation.flow.objective import logit_normal_sigma
from shared.console import note
from shared.errors import InputError
from shared.media.files import replacing
from shared.media.sound import read_sound
from shared.toybox.sounds.sound import toy_sound

SHARD = 200
"""Clips in a shard."""


class Texts:
    """Encoded captions of clips, all in one row: `tokens` (sum of lengths, ...) and `lengths` (N, variants)."""

    def __init__(self, tokens: Tensor, lengths: Tensor) -> None:
        self.tokens, self.lengths = tokens, lengths
        self.starts = (lengths.flatten().cumsum(0) - lengths.flatten()).view_as(lengths)

    def drawn(self, clip: int, generator: np.random.Generator) -> Tensor:
        """Any of a clip's captions, (L, ...)."""
        variant = int(generator.integers(self.lengths.shape[1]))
        start, length = int(self.starts[clip, variant]), int(self.lengths[clip, variant])
        return self.tokens[start : start + length]


class SoundSamples:
    """Cached clips of one window each, with one of their captions.

    Args:
        shards: tensors `latents` (N, C, T, K), one `visual.NAME` (N, T, D) per encoder, `tokens`, `lengths`.
        drop_out: of the conditions.
        shift: of the noise levels.
    """

    def __init__(self, shards: Sequence[Shard], drop_out: DropOut, shift: float) -> None:
        joined = {name: torch.cat([shard[name] for shard in shards]) for name in shards[0]}
        self.texts = Texts(joined.pop("tokens"), joined.pop("lengths"))
        self.latents, self.visual = joined.pop("latents"), joined
        self.drop_out, self.shift = drop_out, shift

    def __len__(self) -> int:
        return len(self.latents)

    def batch(self, ids: Sequence[int], generators: Sequence[np.random.Generator]) -> Batch:
        """`latents`, `noise` (B, C, T, K), `sigma` (B,), `visual.NAME`, `text`, `mask`, `has_video`, `has_text`."""
        rows = list(ids)
        has_text = torch.tensor([g.random() >= self.drop_out.text for g in generators])
        has_video = torch.tensor([g.random() >= self.drop_out.video for g in generators])
        drawn = [self.texts.drawn(row, g).float() for row, g in zip(rows, generators, strict=True)]
        texts = [text if has else text[:1] for text, has in zip(drawn, has_text, strict=True)]
        text = pad_sequence(texts, batch_first=True)
        lengths = torch.tensor([len(one) for one in texts])
        normal = torch.tensor([g.standard_normal() for g in generators])
        shape = self.latents.shape[1:]
        noise = np.stack([g.standard_normal(shape, dtype=np.float32) for g in generators])
        return {
            "latents": self.latents[rows].float(),
            "noise": torch.from_numpy(noise),
            "sigma": logit_normal_sigma(normal, self.shift),
            **{name: features[rows].float() for name, features in self.visual.items()},
            "text": text,
            "mask": torch.arange(text.shape[1]) < lengths[:, None],
            "has_video": has_video,
            "has_text": has_text,
        }


def toy_shards(root: Path, base: Path, encoders: Encoders, toys: ToySounds) -> list[Shard]:
    """Clips of the toybox, rendered, encoded and cached.

    Args:
        root: of the cache.
        base: the folder that the encoders come from.
        encoders: loaded from it.
        toys: how many.
    """
    jobs = [("sounds", range(s, min(s + SHARD, toys.clips))) for s in range(0, toys.clips, SHARD)]
    folder = root / "sounds" / f"{fingerprint(base)[:16]}-{toys.variants}"
    return cached_shards(folder, jobs, partial(_encode_toys, encoders=encoders, variants=toys.variants))


def _encode_toys(world: str, seeds: range, encoders: Encoders, variants: int) -> Shard:
    layout, sides = encoders.layout, tuple(encoders.rates)
    clips, captions = [], []
    for seed in seeds:
        toy = toy_sound(seed, seconds=layout.window_seconds)
        visual = encoders.see(seen(toy, training_rate(seed), sides), layout.window)
        clips.append(_clip(encoders.hear(toy.waveform)[:, : layout.window], visual))
        captions.append([caption(toy.facts, seed, variant) for variant in range(variants)])
    return _stacked(clips, captions, encoders)


def folder_shards(root: Path, base: Path, encoders: Encoders, folder: Path, variants: int) -> list[Shard]:
    """A user's clips with sound and captions, cut into windows, encoded and cached, a shard for each clip.

    Clips that cannot be used are left out, said aloud.

    Raises:
        InputError: none can be used.
    """
    found = read_folder(folder, read=entry_captions)
    for rejected in found.rejected:
        note(f"{rejected.name}: {rejected.reason}")
    place = root / "sounds" / f"{fingerprint(base)[:16]}-folder"
    digests = files_sha256({item.name: item.path for item in found.items})
    shards = []
    for item in found.items:
        path = place / f"{digests[item.name]}-{len(item.captions)}.safetensors"
        try:
            shards += _kept(path, partial(_encode_item, item, encoders, variants))
        except InputError as error:
            note(f"{item.name} is left out: {error}")
    if not shards:
        raise InputError(
            f"{folder} holds no clip with a sound of {encoders.layout.window_seconds:g} s or more"
        )
    return shards


def _kept(path: Path, encode: Callable[[], Shard]) -> list[Shard]:
    if not path.exists():
        shard = encode()
        with replacing(path) as temporary:
            temporary.write_bytes(save(shard))
    return [load_file(path)]


def _encode_item(item: Item, encoders: Encoders, variants: int) -> Shard:
    layout = encoders.layout
    sound = read_sound(item.path)
    if sound is None:
        raise InputError("it has no sound")
    waveform, film = sound.resampled(layout.sample_rate).mono, sample_frames(item.path, encoders.rates)
    tokens = min(layout.tokens(film.seconds), layout.tokens(len(waveform) / layout.sample_rate))
    windows = [slice(s, s + layout.window) for s in range(0, tokens - layout.window + 1, layout.window)]
    if not windows:
        raise InputError(f"it lasts less than the {layout.window_seconds:g} s that are trained on")
    latents, visual = encoders.hear(waveform), encoders.see(film, tokens)
    clips = [
        _clip(latents[:, window], {name: rows[window] for name, rows in visual.items()}) for window in windows
    ]
    texts = [item.captions[i % len(item.captions)] for i in range(variants)]
    return _stacked(clips, [texts] * len(windows), encoders)


def _clip(latents: Tensor, visual: dict[str, Tensor]) -> Shard:
    features = {f"visual.{name}": rows.bfloat16() for name, rows in visual.items()}
    return {"latents": latents.bfloat16(), **features}


def _stacked(clips: Sequence[Shard], captions: Sequence[Sequence[str]], encoders: Encoders) -> Shard:
    states = [states.bfloat16().cpu() for texts in captions for states in encoders.text(texts)]
    lengths = torch.tensor([len(one) for one in states]).view(len(clips), -1)
    stacked = {name: torch.stack([clip[name] for clip in clips]).contiguous() for name in clips[0]}
    return {**stacked, "tokens": torch.cat(states), "lengths": lengths}
