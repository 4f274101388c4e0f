"""The contrastive model of picture and sound, and with it the starter's synchronisation and text encoders.

Its video tower is the synchronisation encoder, and the text encoder learns what words sound like against its audio
tower.
"""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from apps.v2a.checkpoints import SoundDefaults, sound_folder, write_defaults
from apps.v2a.codec import MelSpec, load_mel_vae, log_mel
from apps.v2a.data import SHARD, Texts
from apps.v2a.model.consistency import ConsistencyLearner, ConsistencyModel, ConsistencyObjective
from apps.v2a.model.layout import AudioLayout, sample_times, shown_at
from apps.v2a.model.text_encoder import build_t5, t5_tokenizer
from apps.v2a.toybox import caption, seen, training_rate
from apps.v2a.training.config import AVConsistencyConfig as Config
from foundation.checkpoints.model_folder import write_training
from foundation.checkpoints.registry import locate
from foundation.data.loading import Batch
from foundation.data.toybox.latents import Shard, cached_shards
from foundation.training.checkpoint import load_averaged
from foundation.training.trainer import Trainer, processes
from shared.toybox.sounds.sound import toy_sound

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def run(config: Config) -> Path:
    """Train, write the folders of all parts, and return where they are."""
    torch.manual_seed(config.training.seed)
    vae = load_mel_vae(sound_folder(config.codec) / "mel_vae")
    spec = vae.spec
    layout = AudioLayout(spec.sample_rate, spec.hop_length * vae.time_compression)
    tokenizer = t5_tokenizer(Tokenizer.from_file(str(locate(config.base) / "tokenizer" / "tokenizer.json")))
    model = ConsistencyModel(**vars(config.model), mel_bands=spec.n_mels)
    learner = ConsistencyLearner(model, build_t5(config.text, tokenizer))
    loss = config.loss
    with processes().main_process_first():
        shards = _shards(config, layout, spec, tokenizer)
    samples = PairedSamples(shards, loss.shifts, round(loss.nearest * layout.sync_fps))
    objective = ConsistencyObjective(learner, loss.shifts, loss.envelope, loss.words)
    last = Trainer(objective, samples, config.training).run()
    load_averaged(learner, last)
    if processes().is_main_process:
        export(config, learner, tokenizer, layout)
    return config.folder


def export(
    config: Config, learner: ConsistencyLearner, tokenizer: "PreTrainedTokenizerBase", layout: AudioLayout
) -> None:
    """Write every part in bfloat16, and the layout."""
    folder = config.folder
    learner.to(torch.bfloat16)
    learner.consistency.save_pretrained(folder / "consistency")
    learner.consistency.video.save_pretrained(folder / "sync_encoder")
    learner.text.save_pretrained(folder / "text_encoder")
    tokenizer.save_pretrained(folder / "tokenizer")
    write_training(folder / "consistency", {"recipe": "av_consistency", **asdict(config)})
    write_defaults(folder, SoundDefaults(layout))


class PairedSamples:
    """Pictures, spectrograms and captions of clips.

    Args:
        shards: tensors `frames` (N, T, S, S, 3) uint8, `log_mel` (N, M, F), `tokens`, `lengths`.
        shifts: how many a sample draws.
        nearest: frames that a shift moves a sound at least.
    """

    def __init__(self, shards: Sequence[Shard], shifts: int, nearest: int) -> None:
        joined = {name: torch.cat([shard[name] for shard in shards]) for name in shards[0]}
        self.texts = Texts(joined["tokens"], joined["lengths"])
        self.frames, self.log_mel = joined["frames"], joined["log_mel"]
        self.shifts, self.nearest = shifts, nearest

    def __len__(self) -> int:
        return len(self.frames)

    def batch(self, ids: Sequence[int], generators: Sequence[np.random.Generator]) -> Batch:
        """See `ConsistencyObjective`."""
        rows, moments = list(ids), self.frames.shape[1]
        texts = [self.texts.drawn(row, g) for row, g in zip(rows, generators, strict=True)]
        tokens = pad_sequence(texts, batch_first=True)
        lengths = torch.tensor([len(text) for text in texts])
        span = self.nearest, moments - self.nearest + 1
        return {
            "frames": self.frames[rows],
            "log_mel": self.log_mel[rows].float(),
            "shifts": torch.from_numpy(np.stack([g.integers(*span, self.shifts) for g in generators])),
            "ids": tokens,
            "mask": (torch.arange(tokens.shape[1]) < lengths[:, None]).long(),
        }


def _shards(
    config: Config, layout: AudioLayout, spec: MelSpec, tokenizer: "PreTrainedTokenizerBase"
) -> list[Shard]:
    toys, side = config.toybox, config.model.side
    jobs = [("pairs", range(s, min(s + SHARD, toys.clips))) for s in range(0, toys.clips, SHARD)]
    name = f"pairs-{side}-{toys.variants}-{spec.sample_rate}-{spec.hop_length}-{spec.n_mels}"
    encode = partial(
        _encode, layout=layout, spec=spec, tokenizer=tokenizer, side=side, variants=toys.variants
    )
    return cached_shards(Path(config.cache) / "sounds" / name, jobs, encode)


def _encode(
    world: str,
    seeds: range,
    layout: AudioLayout,
    spec: MelSpec,
    tokenizer: "PreTrainedTokenizerBase",
    side: int,
    variants: int,
) -> Shard:
    frames, mels, tokens = [], [], []
    for seed in seeds:
        toy = toy_sound(seed, seconds=layout.window_seconds)
        film = seen(toy, training_rate(seed), (side,))
        shown = shown_at(film.times[side], sample_times(film.seconds, layout.sync_fps))
        frames.append(torch.from_numpy(film.frames[side][shown]))
        mels.append(log_mel(torch.from_numpy(toy.waveform)[None], spec)[0].half())
        tokens += [_ids(tokenizer, caption(toy.facts, seed, variant)) for variant in range(variants)]
    return {
        "frames": torch.stack(frames),
        "log_mel": torch.stack(mels),
        "tokens": torch.cat(tokens),
        "lengths": torch.tensor([len(one) for one in tokens]).view(len(seeds), -1),
    }


def _ids(tokenizer: "PreTrainedTokenizerBase", text: str) -> Tensor:
    return torch.tensor(tokenizer(text, truncation=True).input_ids)
