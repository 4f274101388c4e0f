"""A look that the starter never makes, learned from 16 clips: `python benchmarks/style_lora.py --steps 300`.

The look is soft light through a lattice. It is measured on pixels alone, and it leaves colours, shapes and motions as
they are, so that the judges can say whether the adapter spoils what the model knew. It has edges in both directions:
bands in one alone leave open whether the camera moves along them, and the judges took their faint noise for moves.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from omegaconf import OmegaConf

from foundation.checkpoints.lora.source import Lora
from foundation.evaluation.t2v import Sampling, generate, held_out_prompts, judge
from foundation.t2v.pipeline import TextToVideoPipeline
from foundation.training.cli import configuration
from foundation.training.recipes.t2v_lora import Config, run
from shared.media.video import encode
from shared.toybox.mix import caption_clip, toy_clip

WORDS = ", light through a lattice"
PERIOD = 16
"""Pixels from one bar to the next."""
STRENGTH = 15
"""Levels by which the middle of a gap is brighter than the picture, in each direction."""


def lattice(frames):
    """Clips (F, H, W, 3) with the look on them."""
    rows, columns = (np.sin(2 * np.pi * np.arange(side) / PERIOD) for side in frames.shape[1:3])
    light = STRENGTH * (rows[:, None] + columns)
    return np.clip(frames + light[None, ..., None], 0, 255).astype(np.uint8)


def strength_of_lattice(frames):
    """Amplitude, in levels, of what brightens and darkens with the lattice: of the fainter of its directions."""
    brightness = frames.mean(axis=(0, 3))
    return min(_strength_of_wave(np.median(brightness, axis=axis)) for axis in (0, 1))


def _strength_of_wave(levels):
    wave = np.exp(2j * np.pi * np.arange(len(levels)) / PERIOD)
    return 2 * abs(np.vdot(wave, levels - levels.mean())) / len(levels)


def write_clips(folder, count):
    """A user's folder: clips with the look, and captions that name it."""
    for seed in range(count):
        clip = toy_clip(seed, "scenes")
        encode(lattice(clip.frames), 8.0, folder / f"{seed}.mkv")
        (folder / f"{seed}.txt").write_text(caption_clip(clip, seed % 4) + WORDS)


def shares(model, prompts, words, lora=()):
    """Share of clips that show all that was asked for, and share that show the look."""
    pipe = TextToVideoPipeline.from_pretrained(model, lora=lora)
    own = pipe.defaults
    sampling = Sampling(own.steps, own.cfg, own.shift)
    clips = generate(pipe, [prompt.text + words for prompt in prompts], sampling)
    seen = [
        (judge(frames, prompt.facts)["all"], strength_of_lattice(frames) > STRENGTH / 2)
        for prompt, frames in zip(prompts, clips, strict=True)
    ]
    return np.mean(seen, axis=0)


def main():
    """Train the adapter, and print what the judges say with and without it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="weights/starter")
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--prompts", type=int, default=100)
    chosen = parser.parse_args()

    prompts = held_out_prompts("scenes", chosen.prompts)
    with tempfile.TemporaryDirectory() as place:
        clips = Path(place) / "clips"
        clips.mkdir()
        write_clips(clips, chosen.clips)
        asked = {"base": chosen.model, "data": clips, "stages.clips.steps": chosen.steps}
        kept = {"cache": f"{place}/cache", "export": f"{place}/adapter", "training.output": f"{place}/run"}
        overrides = [f"{key}={value}" for key, value in {**asked, **kept}.items()]
        config = OmegaConf.to_object(configuration("t2v_lora", overrides))
        assert isinstance(config, Config)
        start = time.perf_counter()
        adapter = run(config)
        seconds = time.perf_counter() - start
        print(f"{chosen.clips} clips, {chosen.steps} steps, {seconds / 60:.1f} minutes\n")
        print("| | prompt | facts | look |")
        print("|---|---|---:|---:|")
        for name, lora in (("base", ()), ("adapter", (Lora(adapter, 1.0),))):
            for label, words in (("plain", ""), ("with the words", WORDS)):
                facts, look = shares(chosen.model, prompts, words, lora)
                print(f"| {name} | {label} | {100 * facts:.1f}% | {100 * look:.1f}% |", flush=True)


if __name__ == "__main__":
    main()
