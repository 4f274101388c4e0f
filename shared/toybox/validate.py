"""Validates the judges on rendered ground truth: `python -m shared.toybox.validate --count 400`."""

import argparse
import time
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from shared.toybox.judges.puppets import validate_puppets
from shared.toybox.judges.scenes import judge_scene, score_scene
from shared.toybox.judges.sounds import validate_sounds
from shared.toybox.scenes.captions import describe_scene
from shared.toybox.scenes.sampling import Split, sample_scene
from shared.toybox.scenes.scene import render_scene

WORLDS: dict[str, dict[str, Any]] = {
    "one object": {"actors": 1},
    "two objects": {"actors": 2},
    "camera": {"actors": 1, "camera": True},
    "camera, two objects": {"actors": 2, "camera": True},
    "material": {"material": True},
}
BLUR, NOISE = 0.7, 4.0
"""Pixels and (of 255) standard deviation by which `--soft` damages the clips before they are judged."""


def validate_scenes(
    world: str, split: Split, count: int, seed: int = 0, *, soft: bool = False
) -> tuple[dict[str, float], float]:
    """Share of `count` rendered clips judged rightly, by attribute, and CPU milliseconds per judgement.

    `material` is scored on plain clips too: they have none.
    """
    rng = np.random.default_rng(seed)
    right: Counter[str] = Counter()
    elapsed = 0.0
    for _ in range(count):
        scene = sample_scene(rng, split=split, **WORLDS[world])
        frames = render_scene(scene)
        if soft:
            frames = soften(frames, rng)
        start = time.process_time()
        judgement = judge_scene(frames)
        elapsed += time.process_time() - start
        scores = score_scene(judgement, describe_scene(scene))
        if "material" not in scores:
            scores["material"] = all(actor.material is None for actor in judgement.actors)
        right.update({name: int(held) for name, held in scores.items()})
    return {name: number / count for name, number in right.items()}, 1000 * elapsed / count


def soften(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A clip (F, H, W, 3) with soft edges and noise, about 33 dB from the original."""
    blurred = ndimage.gaussian_filter(frames.astype(np.float32), (0, BLUR, BLUR, 0))
    return np.clip(np.rint(blurred + rng.normal(0, NOISE, frames.shape)), 0, 255).astype(np.uint8)


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=400, help="clips per row (default 400)")
    parser.add_argument("--seed", type=int, default=0, help="which clips (default 0)")
    parser.add_argument("--soft", action="store_true", help="soften the clips before judging")
    options = parser.parse_args(arguments)
    for world in WORLDS:
        for split in ("train", "heldout"):
            scores, speed = validate_scenes(world, split, options.count, options.seed, soft=options.soft)
            print(f"{f'{world} ({split})':30} {_row(scores)}  {speed:.1f} ms", flush=True)
    blur, noise = (BLUR, NOISE) if options.soft else (0.0, 0.0)
    print(f"{'puppets':30} {_row(validate_puppets(options.count, options.seed, blur, noise))}")
    print(f"{'sounds':30} {_row(validate_sounds(options.count, options.seed))}")


def _row(scores: dict[str, float]) -> str:
    return "  ".join(f"{name} {100 * score:.1f}%" for name, score in scores.items())


if __name__ == "__main__":
    main()
