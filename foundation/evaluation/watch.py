"""Clips of held-out prompts while a video model trains: judged, and shown on a contact sheet."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from foundation.evaluation.report import Scores
from foundation.evaluation.t2v import OnClip, Prompt
from shared.media.files import replacing
from shared.media.picture import write_png

SHOWN = 6
"""Frames per clip."""
LINE = 14
"""Height of the line of text above a clip, in pixels."""


class Sheet:
    """Collects the first `limit` clips of every world with their prompts and what the judges missed."""

    def __init__(self, limit: int = 10) -> None:
        self.limit = limit
        self._rows: list[NDArray[np.uint8]] = []
        self._taken: Counter[str] = Counter()

    def add(self, prompt: Prompt, frames: NDArray[np.uint8], answers: dict[str, bool]) -> None:
        """Take a clip (F, H, W, 3) uint8 in."""
        if self._taken[prompt.world] == self.limit:
            return
        self._taken[prompt.world] += 1
        chosen = np.linspace(0, len(frames) - 1, SHOWN).round().astype(int)
        strip = np.concatenate(list(frames[chosen]), axis=1)
        missed = ", ".join(name for name, right in answers.items() if not right and name != "all")
        label = Image.new("RGB", (strip.shape[1], LINE), (255, 255, 255) if not missed else (255, 200, 200))
        ImageDraw.Draw(label).text((2, 1), f"{prompt.text[:60]} {f'[{missed}]' if missed else ''}", (0, 0, 0))
        self._rows.append(np.concatenate([np.asarray(label), strip]))

    def write(self, path: Path) -> None:
        """Write the sheet as a PNG, two clips a row."""
        rows = self._rows + [np.full_like(self._rows[0], 255)] * (len(self._rows) % 2)
        pairs = [np.concatenate(rows[i : i + 2], axis=1) for i in range(0, len(rows), 2)]
        with replacing(path) as temporary:
            write_png(np.concatenate(pairs), temporary)


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
