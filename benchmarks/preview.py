"""What the moving preview costs a clip, its watching aside: `python benchmarks/preview.py --repeats 9`."""

import argparse
import tempfile
from pathlib import Path

import torch
from comparison import alternating_seconds

from foundation.t2v.pipeline import TextToVideoPipeline
from ui.jobs.preview import ColorMap, Previewer

PROMPT = "a red circle moves right on a gray background"


def main():
    """Make the same clip with and without a preview in turns, and print the ratio of their times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--repeats", type=int, default=9)
    chosen = parser.parse_args()

    pipe = TextToVideoPipeline.from_pretrained(chosen.model)
    colors = ColorMap.of(pipe)
    with tempfile.TemporaryDirectory() as folder:

        def previewed():
            previewer = Previewer(Path(folder) / "preview.webp", colors)
            pipe(
                PROMPT,
                seed=1,
                on_step=lambda step, latents, denoised: previewer.show(denoised, step.index + 1),
            )

        def plain():
            pipe(PROMPT, seed=1, on_step=lambda *_: None)

        previewed()  # the first run of a process is slower
        seconds = alternating_seconds({"plain": plain, "previewed": previewed}, chosen.repeats)
    print(f"{torch.get_num_threads()} threads: {seconds['plain']:.2f} s a clip", end=", ")
    print(f"with a preview {seconds['previewed'] / seconds['plain']:.3f} of it")


if __name__ == "__main__":
    main()
