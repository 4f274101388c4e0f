"""The server's side of the worker, with real processes."""

import sys
import time
from pathlib import Path

import pytest

from ui.jobs import process
from ui.jobs.claims import Claims
from ui.jobs.process import WorkerProcess

PROGRAM = [sys.executable, str(Path(__file__).with_name("fake_worker.py"))]
DEAF = [sys.executable, "-c", "import time; time.sleep(600)"]
LONG = {"seed": 1, "pace": 600}


@pytest.fixture
def claims(queue, files):
    return Claims(queue.database.path, files)


def until(happened, seconds=60):
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def test_a_job_that_is_deaf_is_ended_and_the_next_one_runs(queue, claims, monkeypatch, capfd):
    monkeypatch.setattr(process, "GRACE", 0.3)
    wishes = {"cancel": LONG, "pause": LONG, "delete": {"seed": 1, "loads": 600}}
    jobs = {wish: queue.submit("fake", settings) for wish, settings in wishes.items()}
    last = queue.submit("fake", {"seed": 1})
    with WorkerProcess(claims, PROGRAM):
        for wish, job in jobs.items():
            until(lambda id=job.id: queue.get(id).progress.stage)
            getattr(queue, wish)(job.id)
            until(lambda id=job.id: not queue.list("running") or queue.list("running")[0].id != id)
        until(lambda: queue.get(last.id).state == "done")
    assert [job.state for job in queue.list()] == ["cancelled", "paused", "done"]
    assert not queue.folder(jobs["delete"].id).exists()
    assert f"job {jobs['cancel'].id} did not stop within 0.3 s" in capfd.readouterr().err


def test_only_the_deaf_job_is_stopped(queue, claims, monkeypatch):
    """A worker may take its next job in the moment in which it is ended."""
    monkeypatch.setattr(process, "GRACE", 0.3)
    deaf, innocent = queue.submit("fake", LONG), queue.submit("fake", {"seed": 1})
    assert [claims.claim().id, claims.claim().id] == [deaf.id, innocent.id]
    queue.cancel(deaf.id)
    with WorkerProcess(claims, DEAF):
        until(lambda: queue.get(deaf.id).state == "cancelled")
        until(lambda: queue.get(innocent.id).state == "queued")


def test_complete_results_are_kept_when_their_worker_is_ended(queue, claims, monkeypatch):
    monkeypatch.setattr(process, "GRACE", 0.3)
    job = queue.submit("fake", {"seed": 1})
    claims.claim()
    made = queue.folder(job.id) / "made"
    made.mkdir(parents=True)
    (made / "a.txt").write_text("complete")
    with monkeypatch.context() as broken:
        broken.setattr(claims, "finish_moves", lambda id: None)
        claims.finish(job.id, [made / "a.txt"], made)
    queue.cancel(job.id)
    with WorkerProcess(claims, DEAF):
        until(lambda: queue.get(job.id).state == "done")
    assert queue.files.path(f"{job.id}-a.txt").read_text() == "complete"


@pytest.mark.parametrize("program", [DEAF, ["/no/such/program"]])
def test_a_server_that_ends_at_once_ends_its_worker(claims, program):
    for pause in (0, 0.01, 0.05):
        begun = time.monotonic()
        with WorkerProcess(claims, program) as worker:
            time.sleep(pause)
        assert not worker._thread.is_alive()
        assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("wish", "state"), [("cancel", "cancelled"), ("pause", "paused"), ("delete", "deleted")]
)
def test_a_wish_is_not_lost_when_the_job_fails_before_it_hears_of_it(queue, claims, wish, state):
    job = queue.submit("fake", {"seed": 1})
    claims.claim()
    getattr(queue, wish)(job.id)
    claims.leave(job.id, "failed", "no memory")
    (left,) = queue.rows("WHERE id = ?", job.id)
    assert (left.state, left.error) == (state, None)
