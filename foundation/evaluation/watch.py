"""What a text-to-video model makes while it trains: clips of prompts that it never saw, judged and shown."""

from pathlib import Path

from foundation.evaluation.sheet import Sheet
from foundation.evaluation.t2v import Sampling, evaluate_t2v
from foundation.pipeline import TextToVideoPipeline


class JudgedSamples:
    """Called with a step's number, writes `samples-STEP.png` and returns the judges' scores.

    Args:
        pipe: around the model that trains.
        count: clips of the world `scenes`; the other worlds come with half as many each.
        sampling: steps, cfg and shift.
        folder: for the contact sheets.
    """

    def __init__(self, pipe: TextToVideoPipeline, count: int, sampling: Sampling, folder: Path) -> None:
        self.pipe, self.count, self.sampling, self.folder = pipe, count, sampling, folder

    def __call__(self, step: int) -> dict[str, float]:
        """Shares of right answers, as `scenes.shape`."""
        sheet = Sheet()
        scores = evaluate_t2v(self.pipe, self.count, self.sampling, sheet.add)
        sheet.write(self.folder / f"samples-{step:08d}.png")
        return {
            f"{group}.{name}": share for group, row in scores.shares.items() for name, share in row.items()
        }
