"""`kinora evaluate codec`: what a sound loses on its way to latents and back."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from foundation.evaluation.cli import EvaluationRequest
from shared.config import setting

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from apps.v2a.codec.codec import Codec
    from foundation.evaluation.report import Scores

MOVED = 0.02
"""Seconds by which an onset may move."""


@dataclass(frozen=True)
class Evaluation(EvaluationRequest):
    """Settings of `kinora evaluate codec`."""

    count: int = setting(100, "held-out sounds of 4 s", minimum=1, maximum=100_000)


def evaluate(request: Evaluation) -> Scores:
    """Judge the codec in a model's folder `v2a`."""
    from apps.v2a.checkpoints import FOLDER
    from apps.v2a.codec.codec import load_codec
    from foundation.checkpoints.registry import resolve

    return evaluate_codec(load_codec(resolve(request.model) / FOLDER), request.count)


def evaluate_codec(codec: Codec, count: int, seed: int = 0) -> Scores:
    """Judge `count` held-out sounds before and after the codec.

    Rows are `rendered` and `round trip`, and `onsets` with the shares that are kept and that moved by `MOVED` at most.
    Figures are the mean L1 of log-mels over frames above -60 dB of the round trip, of the mel VAE alone and of the
    vocoder alone; the farthest that an onset moved; and seconds that a second of sound takes.
    """
    import torch

    from apps.v2a.codec.mel import log_mel
    from foundation.evaluation.report import Scores, Tally
    from shared.toybox.judges.sounds import find_onsets, match_onsets, score_sound
    from shared.toybox.sounds.sound import toy_sound

    tally = Tally()
    errors: dict[str, list[Tensor]] = {"round trip": [], "mel VAE alone": [], "vocoder alone": []}
    shifts, elapsed, seconds = [0.0], 0.0, 0.0
    for number in range(seed, seed + count):
        clip = toy_sound(number, "heldout")
        waveform = torch.from_numpy(clip.waveform)
        start = time.perf_counter()
        latents = codec.encode(waveform)
        again = codec.decode(latents, len(waveform))
        elapsed, seconds = elapsed + time.perf_counter() - start, seconds + clip.seconds
        mel = log_mel(waveform[None], codec.spec)
        vocoded = codec.vocoder(mel)[:, : len(waveform)]
        loud = torch.from_numpy(audible(clip.waveform, codec))
        for name, other in (
            ("round trip", log_mel(again, codec.spec)),
            ("mel VAE alone", codec.mel_vae.to_mel(latents)[:, : mel.shape[1]]),
            ("vocoder alone", log_mel(vocoded, codec.spec)),
        ):
            errors[name].append((other - mel)[0, loud].abs().mean(dim=1))
        before, after = (list(find_onsets(sound)) for sound in (clip.waveform, again[0].numpy()))
        match = match_onsets(after, before)
        tally.add("rendered", score_sound(clip.waveform, clip.facts))
        tally.add("round trip", score_sound(again[0].numpy(), clip.facts))
        if before:
            near = sum(abs(shift) <= MOVED for shift in match.shifts) / len(before)
            tally.add("onsets", {"kept": match.recall, "within 20 ms": near})
        shifts += [abs(shift) for shift in match.shifts]
    figures = {
        f"log-mel L1, {name} (natural log)": float(torch.cat(parts).mean()) for name, parts in errors.items()
    }
    figures |= {
        "largest onset shift (ms)": 1000 * max(shifts),
        "seconds per second of sound": elapsed / seconds,
    }
    return Scores("codec", {"sounds": count}, tally.shares(), figures)


def audible(waveform: NDArray[np.float32], codec: Codec) -> NDArray[np.bool_]:
    """Which mel frames (T,) of a sound (N,) are above -60 dB of full scale, in the middle `hop_length` of each."""
    import numpy as np

    from shared.toybox.judges.sounds import SILENCE

    spec = codec.spec
    lead = spec.hop_length // 2 if spec.padding == "center" else 0
    padded = np.pad(waveform, (lead, spec.hop_length))
    frames = (len(waveform) + 2 * spec.margin - spec.n_fft) // spec.hop_length + 1
    hops = padded[: frames * spec.hop_length].reshape(frames, spec.hop_length)
    return 10 * np.log10(np.square(hops).mean(axis=1) + 1e-20) > SILENCE
