"""Judges of image-to-video: is the picture kept, does it move as the prompt says, does a longer clip stay what it was.

What is asked for and the pictures come from toybox clips that training never saw; the judges see pixels alone.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count as numbers
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from apps.i2v.conditioning.channels import keyframe_channels
from apps.i2v.conditioning.extension import context_of
from apps.i2v.conditioning.keyframes import latent_frame
from apps.i2v.conditioning.reinsertion import reinsert_keyframes
from apps.i2v.data import GivenPictures
from apps.i2v.pipeline import ImageToVideoPipeline
from apps.i2v.training.patterns import DEFAULT_SHARES
from foundation.data.encoding import encode_clips, encode_stills
from foundation.data.flow_batch import EncodedClip, flow_batch
from foundation.evaluation.report import Scores, Tally
from foundation.evaluation.t2v import BATCH, WORDINGS, Given, OnClip, Prompt, Sampling, generate, judge
from foundation.evaluation.vae import reconstruct
from foundation.models.geometry import FRAME_STRIDE
from foundation.training.flow import FlowObjective
from shared.config import Size
from shared.toybox.judges.scenes import judge_tracks, psnr
from shared.toybox.mix import ToyClip, caption_clip, toy_clip
from shared.toybox.scenes.captions import SceneFacts

BOTH_ENDS = "scenes, both ends"
CASES = {"scenes": 1.0, "puppets": 0.5, BOTH_ENDS: 0.5}
"""What is given, and how many clips for one picture of a single object."""

STRAIGHT = ("left", "right", "up", "down")
LEAST_KEPT = {1: -1.0, 2: -2.0}
"""How much worse (dB) than the VAE's own reconstruction a given picture may come out, by how many are given."""
LARGEST_FLASH = 0.03
"""Of the full range: how far the mean luma of neighbouring frames may lie apart."""
EXTENSIONS = 6
LARGEST_DRIFT, LARGEST_SEAM = 2.0, 1.2

Frames = NDArray[np.uint8]


def case_counts(count: int) -> dict[str, int]:
    """How many clips of each kind go with `count` pictures of single objects."""
    return {case: max(1, int(share * count)) for case, share in CASES.items()}


def judge_pictures(
    pipe: ImageToVideoPipeline, count: int, sampling: Sampling, on_clip: OnClip = lambda *_: None
) -> Scores:
    """Judge clips of held-out first pictures, and of first and last ones.

    Args:
        pipe: the model.
        count: clips of the world `scenes`.
        sampling: how the clips are made.
        on_clip: sees them.
    """
    tally, figures = Tally(), {}
    frames, size = sampling.frames or pipe.defaults.frames, Size(*(sampling.size or pipe.defaults.size))
    for case, number in case_counts(count).items():
        given = (0, frames - 1) if case == BOTH_ENDS else (0,)
        clips = list(islice(_held_out(case, frames, size), number))
        prompts = [_prompt(clip, case, number) for number, clip in enumerate(clips)]
        pictures = [{latent_frame(at): clip.frames[at] for at in given} for clip in clips]
        made = generate(
            pipe, [prompt.text for prompt in prompts], sampling, given=_given(pipe, pictures, frames)
        )
        kept = []
        for clip, prompt, shown in zip(clips, prompts, made, strict=True):
            kept.append(_kept(pipe, shown, clip.frames, given))
            answers = judge(shown, prompt.facts)
            answers |= {"picture": kept[-1] >= LEAST_KEPT[len(given)], "steady": _is_steady(shown)}
            if case == BOTH_ENDS:
                answers["between"] = _is_between(shown)
            tally.add(case, answers)
            on_clip(prompt, shown, answers)
        figures[f"pictures against the VAE's own, {case} (dB)"] = float(np.mean(kept))
    settings = {"pictures": sum(case_counts(count).values()), **sampling.described(size, frames)}
    return Scores("i2v", settings, tally.shares(), figures)


def judge_extensions(
    pipe: ImageToVideoPipeline, count: int, steps: int | None, cfg: float | None, shift: float | None
) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """Extend held-out scenes that stay where they are, several times; shares and figures of `Scores`."""
    tally, drifts, seams = Tally(), [], []
    frames, size = pipe.defaults.frames, pipe.defaults.size
    for clip in islice(_spinning(frames, size), count):
        latents = pipe.recover(clip.frames)
        longer, _ = pipe.extend(
            latents, clip.caption, times=EXTENSIONS, seed=clip.seed, steps=steps, cfg=cfg, shift=shift
        )
        first, last = (
            lab(part).mean((0, 1, 2)) for part in (longer.frames[:frames], longer.frames[-frames:])
        )
        drifts.append(float(np.linalg.norm(last - first)))
        seams.append(_seam(longer.frames, latents.shape[2], latent_frame(frames - 1) + 1))
        held = {"colour": drifts[-1] <= LARGEST_DRIFT, "seams": seams[-1] <= LARGEST_SEAM}
        tally.add(f"scenes, extended {EXTENSIONS} times", held)
    names = "colour drift of extensions (Lab)", "frame difference at seams, of that elsewhere"
    return tally.shares(), dict(zip(names, map(float, (np.mean(drifts), np.mean(seams))), strict=True))


@torch.no_grad()
def held_out_loss(pipe: ImageToVideoPipeline, count: int) -> dict[str, float]:
    """The loss of training on clips that it never saw: the same noise for every model, so that models compare."""
    objective, frames, size = FlowObjective(pipe.transformer), pipe.defaults.frames, pipe.defaults.size
    conditions = GivenPictures(replace(DEFAULT_SHARES, continued=0), latent_frame(frames - 1) + 1)
    figures = {}
    for world in ("scenes", "puppets"):
        losses = []
        for start in range(0, count, BATCH):
            clips = [
                toy_clip(seed, world, "heldout", frames, size)
                for seed in range(start, min(start + BATCH, count))
            ]
            pixels = [clip.frames for clip in clips]
            encoded = map(EncodedClip, encode_clips(pixels, pipe.vae), encode_stills(pixels, pipe.vae))
            texts = [pipe.encode_text(clip.caption).text.to("cpu", torch.float32) for clip in clips]
            generators = [np.random.default_rng([clip.seed, 2]) for clip in clips]
            batch = flow_batch(list(encoded), texts, generators, pipe.defaults.shift, conditions)
            loss, _ = objective({name: value.to(pipe.transformer.device) for name, value in batch.items()})
            losses += [float(loss)] * len(clips)
        figures[f"loss, {world}"] = float(np.mean(losses))
    return figures


def lab(frames: Frames) -> NDArray[np.float64]:
    """SRGB uint8 (..., 3) to CIE L*a*b* under D65."""
    levels = frames / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ (to_xyz / to_xyz.sum(1, keepdims=True)).T
    x, y, z = np.moveaxis(np.where(xyz > 216 / 24389, np.cbrt(xyz), xyz * 841 / 108 + 4 / 29), -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _held_out(case: str, frames: int, size: Size) -> Iterator[ToyClip]:
    """Clips of a case without end; between two given ends only straight motion is known."""
    world = "scenes" if case == BOTH_ENDS else case
    for seed in numbers():
        clip = toy_clip(seed, world, "heldout", frames, size)
        if case != BOTH_ENDS or _motion(clip) in STRAIGHT:
            yield clip


def _spinning(frames: int, size: Size) -> Iterator[ToyClip]:
    for seed in numbers():
        clip = toy_clip(seed, "scenes", "heldout", frames, size)
        if _motion(clip) == "spin":
            yield clip


def _motion(clip: ToyClip) -> str | None:
    facts = clip.facts
    assert isinstance(facts, SceneFacts)
    return facts.actors[0].motion


def _prompt(clip: ToyClip, case: str, number: int) -> Prompt:
    return Prompt(caption_clip(clip, number % WORDINGS), clip.facts, case)


def _given(pipe: ImageToVideoPipeline, pictures: list[dict[int, Frames]], frames: int) -> Given:
    """What the pipeline makes of pictures at latent frames, for many clips at once."""
    coded = [{at: pipe.encode_picture(picture) for at, picture in one.items()} for one in pictures]
    window = latent_frame(frames - 1) + 1
    return Given(
        torch.cat([keyframe_channels(latents, window) for latents in coded]),
        torch.cat([latents[0] for latents in coded]),
        lambda number, latents: reinsert_keyframes(latents, pictures[number], pipe.vae),
    )


def _kept(pipe: ImageToVideoPipeline, made: Frames, wanted: Frames, given: tuple[int, ...]) -> float:
    """The given picture that came out worst: its PSNR beyond that of the VAE's own reconstruction, in dB."""
    pictures = [wanted[at] for at in given]
    own = (again[0] for again in reconstruct(pipe.vae, [picture[None] for picture in pictures]))
    return min(
        float(psnr(made[at], picture) - psnr(again, picture))
        for at, picture, again in zip(given, pictures, own, strict=True)
    )


def _is_steady(frames: Frames) -> bool:
    luma = (frames @ np.array([0.2126, 0.7152, 0.0722])).mean((1, 2)) / 255
    return bool(np.abs(np.diff(luma)).max() <= LARGEST_FLASH)


def _is_between(frames: Frames) -> bool:
    """Whether the largest object is, in the middle of the clip, between where it is at the ends."""
    tracks = judge_tracks(frames)
    if not tracks:
        return False
    first, middle, last = tracks[0][[0, len(frames) // 2, -1]]
    way = last - first
    return bool(0.2 < (middle - first) @ way / max(float(way @ way), 1e-9) < 0.8)


def _seam(frames: Frames, latent_frames: int, window: int) -> float:
    """Mean difference of neighbouring frames where windows meet, over that elsewhere."""
    steps = np.abs(np.diff(frames.astype(np.float32), axis=0)).mean((1, 2, 3))
    at = np.zeros(len(steps), bool)
    for _ in range(EXTENSIONS):
        at[(latent_frames - 1) * FRAME_STRIDE] = True
        latent_frames += window - context_of(latent_frames, window)
    return float(steps[at].mean() / max(steps[~at].mean(), 1e-6))
