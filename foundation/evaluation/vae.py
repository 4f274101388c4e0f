"""What the judges lose on reconstructions: the gate before anything trains on latents."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foundation.evaluation.report import Scores, Tally
from foundation.models.vae.model import CausalVideoVAE
from foundation.models.vae.tiling import Tiling
from shared.toybox.judges.puppets import judge_puppet, score_geometry, score_puppet
from shared.toybox.judges.scenes import judge_scene, psnr, score_scene
from shared.toybox.mix import toy_clip
from shared.toybox.puppets.captions import describe_puppet
from shared.toybox.puppets.puppet import render_puppet, sample_puppet
from shared.toybox.scenes.captions import SceneFacts

SCENE_WORLDS = ("scenes", "pairs", "cameras", "materials")
SIZE = 128
"""Pixels on a side that the figures without a size in their name hold for."""

Frames = NDArray[np.uint8]


def evaluate_vae(vae: CausalVideoVAE, count: int, size: int = SIZE, seed: int = 0) -> Scores:
    """Judge `count` held-out clips of every world, `size` pixels wide and high, before and after encoding.

    Rows come in pairs, `WORLD, rendered` and `WORLD, reconstructed`; figures are the mean PSNR per world and
    the largest loss of any attribute, in points.
    """
    tally, levels = Tally(), {}
    for world in SCENE_WORLDS:
        values = []
        clips = [toy_clip(number, world, "heldout", size=size) for number in range(seed, seed + count)]
        for clip, again in zip(clips, reconstruct(vae, [clip.frames for clip in clips]), strict=True):
            facts = clip.facts
            assert isinstance(facts, SceneFacts)
            tally.add(f"{world}, rendered", score_scene(judge_scene(clip.frames), facts))
            tally.add(f"{world}, reconstructed", score_scene(judge_scene(again), facts))
            values.append(psnr(clip.frames, again))
        levels[f"PSNR of {world} (dB)"] = float(np.mean(values))
    levels |= _judge_puppets(vae, count, size, seed, tally)
    shares = tally.shares()
    settings: dict[str, float | int | str] = {"clips per world": count, "size": f"{size}x{size}"}
    figures = {**levels, "largest loss (points)": largest_loss(shares)}
    return Scores("vae" if size == SIZE else f"vae-{size}x{size}", settings, shares, figures)


def largest_loss(shares: dict[str, dict[str, float]]) -> float:
    """Points by which the worst attribute falls from rendered to reconstructed clips."""
    worlds = {group.split(", ")[0] for group in shares}
    return max(
        100 * (shares[f"{world}, rendered"][name] - shares[f"{world}, reconstructed"][name])
        for world in worlds
        for name in shares[f"{world}, rendered"]
    )


def _judge_puppets(vae: CausalVideoVAE, count: int, size: int, seed: int, tally: Tally) -> dict[str, float]:
    faces, drawings = [], []
    puppets = [
        sample_puppet(np.random.default_rng([number, 1]), split="heldout")
        for number in range(seed, seed + count)
    ]
    clips = [render_puppet(puppet, size=size) for puppet in puppets]
    again_frames = reconstruct(vae, [clip.frames for clip in clips])
    again_drawings = reconstruct(vae, [clip.skeleton for clip in clips])
    for puppet, clip, again, drawing in zip(puppets, clips, again_frames, again_drawings, strict=True):
        for group, frames, lines in (
            ("puppets, rendered", clip.frames, clip.skeleton),
            ("puppets, reconstructed", again, drawing),
        ):
            judged = judge_puppet(frames)
            tally.add(
                group, score_puppet(judged, describe_puppet(puppet)) | score_geometry(clip, judged, lines)
            )
        faces.append(psnr(clip.frames, again))
        drawings.append(psnr(clip.skeleton, drawing))
    return {"PSNR of puppets (dB)": float(np.mean(faces)), "PSNR of skeletons (dB)": float(np.mean(drawings))}


TILES = Tiling(pixels=64, pixel_stride=48, frames=8, frame_stride=4)
SEAM = 16
"""Pixels on either side of a seam that are measured apart."""


def evaluate_tiling(vae: CausalVideoVAE, count: int, size: int = 128, frames: int = 33) -> dict[str, float]:
    """What small tiles cost.

    PSNR lost by encoding and decoding in them, over whole pictures and near the seams; and how near the same latents
    decoded in tiles come to what they are without, as does all of it in tiles.
    """
    seams = seam_mask(size)
    losses: dict[str, list[float]] = {
        "tiled loss (dB)": [],
        "tiled loss at seams (dB)": [],
        "tiled decode against untiled (dB)": [],
        "tiled against untiled (dB)": [],
    }
    for number in range(count):
        clip = toy_clip(number, "mix", "heldout", frames, size).frames
        whole, decoded, tiled = _in_tiles(vae, clip)
        losses["tiled loss (dB)"].append(psnr(clip, whole) - psnr(clip, tiled))
        near = [frames_[:, seams] for frames_ in (clip, whole, tiled)]
        losses["tiled loss at seams (dB)"].append(psnr(near[0], near[1]) - psnr(near[0], near[2]))
        losses["tiled decode against untiled (dB)"].append(min(psnr(whole, decoded), 99.0))
        losses["tiled against untiled (dB)"].append(min(psnr(whole, tiled), 99.0))
    return {name: float(np.mean(values)) for name, values in losses.items()}


@torch.no_grad()
def _in_tiles(vae: CausalVideoVAE, clip: Frames) -> tuple[Frames, Frames, Frames]:
    """A clip through the VAE: whole, decoded in tiles, and both encoded and decoded in them."""
    video = _to_video(vae, clip[None])
    latents = vae.to_latents(video)
    whole = vae.to_frames(latents)
    vae.enable_tiling(TILES)
    decoded, tiled = vae.to_frames(latents), vae.to_frames(vae.to_latents(video))
    vae.disable_tiling()
    return _to_media(whole)[0], _to_media(decoded)[0], _to_media(tiled)[0]


def seam_mask(size: int) -> NDArray[np.bool_]:
    """(H, W), True within `SEAM` pixels of where one tile's picture ends and the next one's begins."""
    places = np.arange(size)
    starts = np.arange(TILES.pixel_stride, size, TILES.pixel_stride)
    near = np.any(np.abs(places[:, None] - starts) <= SEAM, axis=1)
    return np.logical_or.outer(near, near)


BATCH = 10
"""Clips encoded and decoded at a time."""


@torch.no_grad()
def reconstruct(vae: CausalVideoVAE, clips: list[Frames]) -> Iterator[Frames]:
    """Clips of one size after encoding (posterior mean) and decoding."""
    for start in range(0, len(clips), BATCH):
        video = _to_video(vae, np.stack(clips[start : start + BATCH]))
        yield from _to_media(vae.to_frames(vae.to_latents(video)))


def _to_video(vae: CausalVideoVAE, clips: NDArray[np.uint8]) -> Tensor:
    """Clips (B, F, H, W, 3) as the VAE takes them, (B, 3, F, H, W) in [-1, 1]."""
    frames = torch.from_numpy(clips).to(vae.device)
    return frames.permute(0, 4, 1, 2, 3).float() / 127.5 - 1


def _to_media(video: Tensor) -> Frames:
    """The inverse of `_to_video`."""
    levels = ((video.float() + 1) * 127.5).round().to(torch.uint8)
    return levels.permute(0, 2, 3, 4, 1).cpu().numpy()
