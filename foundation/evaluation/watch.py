"""What a video model makes while it trains: clips of prompts that it never saw, judged and shown."""

from collections.abc import Callable
from pathlib import Path

from foundation.evaluation.report import Scores
from foundation.evaluation.sheet import Sheet
from foundation.evaluation.t2v import OnClip


class JudgedSamples:
    """Called with a step's number, writes `samples-STEP.png` and returns the judges' scores.

    Args:
        judge: makes clips with the model that trains, and shows each.
        folder: for the contact sheets.
    """

    def __init__(self, judge: Callable[[OnClip], Scores], folder: Path) -> None:
        self.judge, self.folder = judge, folder

    def __call__(self, step: int) -> dict[str, float]:
        """Shares of right answers, as `scenes.shape`."""
        sheet = Sheet()
        scores = self.judge(sheet.add)
        sheet.write(self.folder / f"samples-{step:08d}.png")
        return {
            f"{group}.{name}": share for group, row in scores.shares.items() for name, share in row.items()
        }
