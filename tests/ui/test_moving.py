"""Films that no browser plays are seen as previews."""

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from shared.errors import InputError
from shared.results.clip import Clip
from ui.api.files import router
from ui.jobs.moving import MOST_FRAMES, PREVIEWS, moving_preview
from ui.jobs.results import Results
from ui.page.gallery import Gallery, Shown
from ui.page.panel import Panel
from ui.page.tabs import TABS


def film(folder, name="a b.mkv", frames=9, side=32):
    """Black beside a grey that brightens, at 8 frames a second."""
    levels = np.linspace(40, 200, frames).astype(np.uint8)
    pixels = np.zeros((frames, side, side, 3), np.uint8)
    pixels[:, :, side // 2 :] = levels[:, None, None, None]
    return Clip(pixels, 8.0, {"command": "t2v"}).save(folder / name)


def test_preview_moves_as_the_film_does(tmp_path):
    path = moving_preview(film(tmp_path), tmp_path / "room")
    with Image.open(path) as seen:
        assert (seen.n_frames, seen.size, seen.format) == (9, (32, 32), "WEBP")
        levels = []
        for index in range(seen.n_frames):
            seen.seek(index)
            levels.append(np.asarray(seen.convert("L"))[:, 20:].mean())
    assert np.allclose(levels, np.linspace(40, 200, 9), atol=6)


def test_preview_is_small_and_made_once_per_version(tmp_path):
    made = film(tmp_path, frames=60, side=400)
    path = moving_preview(made, tmp_path / "room")
    with Image.open(path) as seen:
        assert 9 < seen.n_frames <= MOST_FRAMES and max(seen.size) == 320
    before = path.stat().st_mtime_ns
    assert moving_preview(made, tmp_path / "room") == path and path.stat().st_mtime_ns == before
    assert moving_preview(film(tmp_path, frames=5), tmp_path / "room") != path


@pytest.mark.parametrize("name", ["a.mp4", "broken.mkv"])
def test_what_has_no_preview_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"no film")
    with pytest.raises(InputError):
        moving_preview(tmp_path / name, tmp_path / "room")
    assert not list(tmp_path.glob("room/*"))


def test_gallery_shows_the_preview(files, queue):
    film(files.folder)
    results = Results(files)
    seen = Gallery(Panel(queue, results, TABS), results, TABS).show(Shown(picked="a b.mkv"))
    assert seen.count('src="api/previews/a%20b.mkv"') == 2 and "api/files/a%20b.mkv" in seen
    app = FastAPI()
    app.include_router(router(queue, files))
    answer = TestClient(app).get("/api/previews/a%20b.mkv")
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/webp"
    results.delete("a b.mkv")
    assert not list((files.private / PREVIEWS).iterdir())
