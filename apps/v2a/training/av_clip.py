"""CLIP's eyes learn what things sound like, so that a picture tells of what material they are."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from shutil import copytree

import numpy as np
import torch

from apps.v2a.checkpoints import sound_folder
from apps.v2a.codec import MelSpec, load_mel_vae, log_mel
from apps.v2a.conditioning.sampled_frames import squeezed
from apps.v2a.training.config import AVClipConfig as Config
from apps.v2a.training.image_contrast import PictureLearner, PictureObjective
from foundation.checkpoints.model_folder import write_training
from foundation.checkpoints.registry import locate
from foundation.checkpoints.text_encoders import load_mllm
from foundation.data.loading import Batch
from foundation.data.toybox.latents import Shard, cached_shards
from foundation.training.checkpoint import load_averaged
from foundation.training.trainer import Trainer, processes
from shared.toybox.sounds.sound import toy_sound

SHARD = 500
"""Clips in a shard."""

STILLS_RATE = 4.0
"""Frames a second from which stills are drawn: as often as CLIP looks."""


def run(config: Config) -> Path:
    """Train, write the eyes' folder and their preparation's, and return the folder of both."""
    torch.manual_seed(config.training.seed)
    spec = load_mel_vae(sound_folder(config.codec) / "mel_vae").spec
    mllm = load_mllm(locate(config.base) / "text_encoder", torch.float32)
    eyes = mllm.get_submodule("model.vision_tower").train().requires_grad_(True)
    learner = PictureLearner(eyes, spec.n_mels)
    with processes().main_process_first():
        shards = _shards(config, spec, int(eyes.config.image_size))
    samples = StillSamples(shards, config.shown)
    load_averaged(learner, Trainer(PictureObjective(learner), samples, config.training).run())
    folder = config.folder
    if processes().is_main_process:
        eyes.to(torch.bfloat16).save_pretrained(folder / "image_encoder")
        copytree(locate(config.base) / "image_processor", folder / "image_processor", dirs_exist_ok=True)
        write_training(folder / "image_encoder", {"recipe": "av_clip", **asdict(config)})
    return folder


class StillSamples:
    """Some of each clip's stills, with its spectrogram.

    Args:
        shards: tensors `frames` (N, n, S, S, 3) uint8 and `log_mel` (N, M, F).
        shown: stills of a sample.
    """

    def __init__(self, shards: Sequence[Shard], shown: int) -> None:
        self.frames, self.log_mel = (
            torch.cat([shard[name] for shard in shards]) for name in ("frames", "log_mel")
        )
        self.shown = shown

    def __len__(self) -> int:
        return len(self.frames)

    def batch(self, ids: Sequence[int], generators: Sequence[np.random.Generator]) -> Batch:
        """See `PictureObjective`."""
        count = self.frames.shape[1]
        chosen = [torch.from_numpy(g.choice(count, self.shown, replace=False)) for g in generators]
        return {
            "frames": torch.stack([self.frames[i, some] for i, some in zip(ids, chosen, strict=True)]),
            "log_mel": self.log_mel[list(ids)].float(),
        }


def _shards(config: Config, spec: MelSpec, side: int) -> list[Shard]:
    toys = config.toybox
    jobs = [("stills", range(s, min(s + SHARD, toys.clips))) for s in range(0, toys.clips, SHARD)]
    name = f"stills-{side}-{toys.stills}-{spec.sample_rate}-{spec.hop_length}-{spec.n_mels}"
    encode = partial(_encode, spec=spec, side=side, stills=toys.stills)
    return cached_shards(Path(config.cache) / "sounds" / name, jobs, encode)


def _encode(world: str, seeds: range, spec: MelSpec, side: int, stills: int) -> Shard:
    frames, mels = [], []
    for seed in seeds:
        toy = toy_sound(seed)
        film = toy.render(STILLS_RATE)
        chosen = np.random.default_rng([seed, 252]).choice(len(film), stills, replace=False)
        frames.append(torch.from_numpy(np.stack([squeezed(film[i], side) for i in sorted(chosen)])))
        mels.append(log_mel(torch.from_numpy(toy.waveform)[None], spec)[0].half())
    return {"frames": torch.stack(frames), "log_mel": torch.stack(mels)}
