"""What a worker keeps between the steps of a job, and between jobs."""

import weakref
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from foundation.checkpoints.registry import STARTER
from foundation.flow.sampler import sample
from foundation.flow.schedule import flow_sigmas
from foundation.models.vae.model import CausalVideoVAE
from ui.jobs.checkpoints import Checkpoints, fingerprint
from ui.jobs.claims import Claims
from ui.jobs.host import JobHost, Stopped
from ui.jobs.job import AFTER_WISH
from ui.jobs.models import Models
from ui.jobs.preview import LARGEST_SHARE, ColorMap, Previewer

NOISE = torch.randn(1, 16, 2, 4, 4, generator=torch.Generator().manual_seed(0))
SIGMAS = flow_sigmas(6, 3.0)


def bent(latents, step):
    return torch.sin(latents * 3) + step.sigma


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path)


def test_a_checkpoint_is_for_the_run_that_wrote_it(checkpoints):
    checkpoints.save(1, fingerprint(NOISE, SIGMAS), NOISE * 2, 3)
    latents, step = checkpoints.load(1, NOISE, SIGMAS)
    assert torch.equal(latents, NOISE * 2)
    assert step == 3
    assert checkpoints.load(2, NOISE, SIGMAS) is None
    assert checkpoints.load(1, NOISE + 1, SIGMAS) is None
    assert checkpoints.load(1, NOISE, flow_sigmas(7, 3.0)) is None


@pytest.mark.parametrize("content", [b"", b"\0" * 8, b"not safetensors at all"])
def test_a_damaged_checkpoint_is_none(checkpoints, content):
    checkpoints.save(1, fingerprint(NOISE, SIGMAS), NOISE, 3)
    (checkpoints.folder / "run-1.safetensors").write_bytes(content)
    assert checkpoints.load(1, NOISE, SIGMAS) is None


@pytest.fixture
def running(queue, files):
    """A job that runs, and whoever carries it out."""
    job = queue.submit("fake", {})
    claims = Claims(queue.database.path, files)
    claims.claim()
    return SimpleNamespace(job=job, queue=queue, claims=claims, models=Models())


def carried_out(running, runs=2):
    """The results of a job that samples twice behind one bar, and the steps that were taken for them."""
    taken = []

    def velocity(latents, step):
        taken.append(step.index)
        return bent(latents, step)

    host = JobHost(running.claims, running.job, running.models)
    with host.sampling(6 * runs, "denoising") as watcher:
        made = [sample(velocity, NOISE * (run + 1), SIGMAS, watcher) for run in range(runs)]
    return made, taken


@pytest.mark.parametrize("wish", ["pause", "cancel"])
def test_a_wish_stops_a_job_at_its_next_step_and_it_goes_on_from_there(running, wish):
    whole = [sample(bent, NOISE * (run + 1), SIGMAS) for run in range(2)]
    watched, tell = [], running.claims.tell

    def tell_and_wish(id, progress):
        tell(id, progress)
        watched.append(progress)
        if progress.step == 1:
            getattr(running.queue, wish)(id)

    running.claims.tell = tell_and_wish
    with pytest.raises(Stopped, match=wish):
        carried_out(running)
    running.claims.tell = tell
    running.claims.leave(running.job.id, AFTER_WISH[wish])
    running.queue.go_on(running.job.id)
    running.claims.claim()
    made, taken = carried_out(running)
    assert taken == [2, 3, 4, 5, *range(6)]
    assert all(torch.equal(one, other) for one, other in zip(made, whole, strict=True))
    assert carried_out(running)[1] == []  # all steps of both runs were taken before


@pytest.fixture(scope="module")
def colors():
    """The starter's map from latents to colors."""
    vae = CausalVideoVAE.from_pretrained(STARTER / "vae").eval()
    pipe = SimpleNamespace(vae=vae, _execution_device="cpu", defaults=SimpleNamespace(fps=8.0))
    return vae, ColorMap.of(pipe)


@pytest.mark.parametrize("shown", [(200, 30, 30), (30, 60, 200), (128, 128, 128), (220, 220, 220)])
def test_a_preview_has_the_colors_of_the_clip(colors, shown):
    vae, mapped = colors
    pixels = torch.tensor(shown, dtype=torch.float32)[None, :, None, None, None].expand(1, 3, 5, 64, 64)
    with torch.no_grad():
        latents = vae.to_latents(pixels / 127.5 - 1)
    frames = mapped.frames(latents)
    assert [frame.size for frame in frames] == [(64, 64), (64, 64)]
    assert np.abs(np.asarray(frames[0], dtype=float).mean((0, 1)) - shown).max() < 64


def test_a_preview_moves_and_takes_its_share_of_the_time(colors, tmp_path):
    previewer = Previewer(tmp_path / "preview.webp", colors[1])
    written = []
    write = previewer.write
    previewer.write = lambda latents: written.append(write(latents))
    previewer.show(NOISE, 2)
    assert not written
    for steps in range(3, 30):
        previewer.show(NOISE, steps)
    assert len(written) == 1  # no time has passed
    previewer._begun -= 10 * previewer._last / LARGEST_SHARE
    previewer.show(NOISE, 30)
    assert len(written) == 2
    with Image.open(tmp_path / "preview.webp") as preview:
        assert (preview.format, preview.n_frames) == ("WEBP", 2)


def test_sounds_have_no_preview(colors, tmp_path):
    Previewer(tmp_path / "preview.webp", colors[1]).write(torch.zeros(1, 2, 30, 4))
    assert not (tmp_path / "preview.webp").exists()


class Model:
    """Something to hold."""


def test_the_last_model_stays_and_is_freed_before_another_comes():
    models = Models()
    opened = []

    def open_model(name, **settings):
        assert all(reference() is None for reference in opened)  # one at a time
        made = Model()
        opened.append(weakref.ref(made))
        return made

    first = models.load(open_model, "a", device="cpu")
    assert models.load(open_model, "a", device="cpu") is first
    del first
    models.load(open_model, "b", device="cpu")
    assert len(opened) == 2
    models.free()
    assert models.is_empty
    assert opened[1]() is None
