"""What a sweep made, side by side."""

import numpy as np
from PIL import Image

from apps.sweep.grid import CAPTION, GAP, SIDE, write_grid
from shared.results.clip import Clip


def clip(folder, name, level, frames=5):
    pixels = np.zeros((frames, 32, 32, 3), np.uint8)
    pixels[:, :, 16:] = level
    return Clip(pixels, 8.0, {"command": "t2v"}).save(folder / name)


def test_page_and_sheet_show_what_differs(tmp_path):
    made = [
        (clip(tmp_path, f"seed {seed}{suffix}", 80 * seed), {"prompt": "a <b>", "seed": str(seed)})
        for seed, suffix in ((1, ".mp4"), (2, ".mkv"), (3, ".gif"))
    ]
    page, sheet = write_grid(made, tmp_path / "sweep.csv")
    text = page.read_text()
    assert text.count("<figure>") == 3 and "seed 3" in text and "a <b>" not in text
    assert '<video controls loop muted src="seed%201.mp4"></video>' in text
    with Image.open(sheet) as seen:
        assert seen.size == (2 * (SIDE + GAP) + GAP, 2 * (SIDE + CAPTION + GAP) + GAP)
        bright = [
            seen.getpixel((GAP + 3 * SIDE // 4 + x, GAP + SIDE // 2 + y))[0]
            for x, y in ((0, 0), (SIDE + GAP, 0), (0, SIDE + CAPTION + GAP))
        ]
    assert np.allclose(bright, [80, 160, 240], atol=8)


def test_what_cannot_be_seen_has_a_tile_of_the_page_only(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    (page,) = write_grid([(tmp_path / "a.wav", {"prompt": "<script>", "seed": "1"})], tmp_path / "sweep.csv")
    assert '<audio controls src="a.wav"></audio>' in page.read_text()
