"""Folders of tiny clips and pictures."""

import numpy as np
import pytest

from foundation.data.folder.survey import MediaRecord
from shared.media.picture import write_png
from shared.media.video import encode


class Media:
    """Writes media with captions into one folder; every file shows something else."""

    def __init__(self, root):
        self.root, self.made = root, 0

    def frames(self, count, size):
        self.made += 1
        width, height = size
        rng = np.random.default_rng(self.made)
        return rng.integers(0, 256, (count, height, width, 3), dtype=np.uint8)

    def clip(self, name, frames=9, fps=8.0, size=(32, 32), caption="a clip"):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        encode(self.frames(frames, size), fps, path)
        return self.captioned(path, caption)

    def picture(self, name, size=(32, 32), caption="a picture"):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_png(self.frames(1, size)[0], path)
        return self.captioned(path, caption)

    def captioned(self, path, caption):
        if caption is not None:
            path.with_suffix(".txt").write_text(caption)
        return path


@pytest.fixture
def media(tmp_path):
    root = tmp_path / "clips"
    root.mkdir()
    return Media(root)


@pytest.fixture
def record(tmp_path):
    return MediaRecord(tmp_path / "media.jsonl")
