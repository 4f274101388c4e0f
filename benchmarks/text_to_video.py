"""How long one clip takes, stage by stage: `python benchmarks/text_to_video.py --steps 20 --repeats 3`."""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

START = time.perf_counter()

import torch  # noqa: E402  (its import belongs to what is measured)

from foundation.t2v.pipeline import TextToVideoPipeline  # noqa: E402

PROMPT = "a red circle moves right on a gray background"


def stages_of_one_clip(pipe, steps, seed):
    """Make one clip and its MP4; returns the clip's shape and the seconds of each stage."""
    marks = [time.perf_counter()]
    clip = pipe(PROMPT, steps=steps, seed=seed, on_step=lambda *_: marks.append(time.perf_counter()))
    decoded = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        clip.save(Path(folder) / "clip.mp4")
    return clip.frames.shape, {
        "text and first step": marks[1] - marks[0],
        "further steps": marks[-1] - marks[1],
        "decode": decoded - marks[-1],
        "MP4": time.perf_counter() - decoded,
    }


def main():
    """Make the same clip a few times and print the median of each stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()

    imported = time.perf_counter()
    pipe = TextToVideoPipeline.from_pretrained(chosen.model)
    loaded = time.perf_counter()
    made = [stages_of_one_clip(pipe, chosen.steps, seed) for seed in range(chosen.repeats)]
    (frames, height, width, _), stages = made[0]
    medians = {name: median(times[name] for _, times in made) for name in stages}

    print(
        f"{width}x{height}x{frames}, {chosen.steps} steps, {torch.get_num_threads()} threads, {pipe.device}"
    )
    rows = {
        "imports": imported - START,
        "load": loaded - imported,
        **medians,
        "one clip": sum(medians.values()),
    }
    for name, seconds in rows.items():
        print(f"{name:<22}{seconds:8.2f} s")


if __name__ == "__main__":
    main()
