"""A contact sheet of judged clips, for people to look at."""

from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from foundation.evaluation.t2v import Prompt
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
