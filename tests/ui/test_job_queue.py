"""The queue and the worker, with a command that needs no model."""

import threading

import pytest

from shared.errors import InputError, ResourceError
from ui.jobs.claims import Claims
from ui.jobs.store import JobNotFoundError
from ui.jobs.worker import Worker


@pytest.fixture
def claims(queue, files):
    return Claims(queue.database.path, files)


@pytest.fixture
def worker(claims):
    return Worker(claims)


def submit(queue, **settings):
    return queue.submit("fake", {"seed": 1, **settings})


def names(queue):
    return [job.settings["prompt"] for job in queue.list()]


def text(queue, job):
    return queue.files.path(queue.get(job.id).results[0]).read_text()


def test_a_job_becomes_a_file_that_begins_with_its_id(queue, worker):
    job = submit(queue, prompt="hello")
    assert job.state == "queued"
    assert worker.work()
    done = queue.get(job.id)
    assert done.state == "done"
    assert done.results == (f"{job.id}-fake-seed1.txt",)
    assert text(queue, job) == f"hello {job.id}\n"
    assert not worker.work()
    assert not queue.folder(job.id).exists()


def test_jobs_are_done_in_the_order_of_the_queue(queue, worker):
    jobs = [submit(queue, prompt=word) for word in "abcd"]
    queue.move(jobs[3].id, 0)
    queue.move(jobs[0].id, 2)
    assert names(queue) == ["d", "b", "a", "c"]
    queue.move(jobs[0].id, 99)
    assert names(queue) == ["d", "b", "c", "a"]
    worker.work()
    assert queue.get(jobs[3].id).state == "done"


def test_a_seed_that_is_left_open_is_drawn_once(queue, worker):
    job = queue.submit("fake", {"prompt": "a"})
    assert job.seed is not None
    assert "seed" not in job.settings
    worker.work()
    assert queue.get(job.id).results == (f"{job.id}-fake-seed{job.seed}.txt",)
    assert queue.get(job.id).notes == (f"seed {job.seed}",)
    assert queue.copy(job.id).seed != job.seed


def test_a_failed_job_says_why_in_one_line_and_the_next_one_runs(queue, worker, capfd):
    bad, bug, good = submit(queue, fails="no such cat"), submit(queue, fails="crash"), submit(queue)
    while worker.work():
        pass
    assert (queue.get(bad.id).state, queue.get(bad.id).error) == ("failed", "no such cat")
    assert queue.get(bug.id).error == "RuntimeError: a bug (a fault of Kinora's own)"
    assert queue.get(good.id).state == "done"


def test_a_job_can_be_edited_copied_and_deleted_while_it_waits(queue, worker):
    job = submit(queue, prompt="a")
    queue.edit(job.id, {"prompt": "b", "seed": 2})
    copy = queue.copy(job.id)
    queue.delete(job.id)
    assert names(queue) == ["b"]
    with pytest.raises(JobNotFoundError, match="no job"):
        queue.get(job.id)
    worker.work()
    assert text(queue, copy).startswith("b ")
    with pytest.raises(InputError, match="is done and cannot be edited"):
        queue.edit(copy.id, {})


def running(queue, job):
    """Work in a thread until the job takes its steps."""
    thread = threading.Thread(target=Worker(Claims(queue.database.path, queue.files)).work)
    thread.start()
    while not queue.get(job.id).progress.step:
        pass
    return thread


@pytest.mark.parametrize(("wish", "state"), [("pause", "paused"), ("cancel", "cancelled")])
def test_a_running_job_stops_at_its_next_step_and_goes_on_when_asked(queue, worker, wish, state):
    job = submit(queue, steps=200, pace=0.01)
    thread = running(queue, job)
    with pytest.raises(InputError, match="is running and cannot be moved"):
        queue.move(job.id, 0)
    getattr(queue, wish)(job.id)
    thread.join(5)
    assert queue.get(job.id).state == state
    assert not worker.work()
    queue.edit(job.id, {**job.settings, "steps": 1}) if wish == "pause" else None
    queue.go_on(job.id)
    worker.work()
    assert queue.get(job.id).state == "done"


def test_deleting_a_running_job_stops_it(queue):
    job = submit(queue, steps=200, pace=0.01)
    thread = running(queue, job)
    queue.delete(job.id)
    thread.join(5)
    assert queue.list() == []
    assert not queue.folder(job.id).exists()


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"promt": "a"}, "did you mean prompt"),
        ({"steps": 0}, "steps must be 1 to 1000, not 0"),
        ({"steps": "x"}, "steps: wanted a whole number"),
        ({"prompt": ""}, "prompt is empty"),
        ({"out": "/etc"}, "out is for the server to decide"),
        ({"image": "/etc/passwd"}, "no name in the output folder"),
        ({"image": "../secret.png"}, "no name in the output folder"),
        ({"image": "uploads/x.png"}, "is not in the output folder"),
        ({"image": 7}, "a file's name is wanted"),
        ([], "a mapping"),
    ],
)
def test_what_the_schema_refuses_never_enters_the_queue(queue, settings, line):
    with pytest.raises(InputError, match=line):
        queue.submit("fake", settings)
    assert queue.list() == []


def test_the_same_ticket_is_the_same_job(queue):
    first = queue.submit("fake", {"seed": 1}, ticket="mine")
    assert queue.submit("fake", {"seed": 1}, ticket="mine").id == first.id
    assert len(queue.list()) == 1


def test_events_are_the_jobs_that_changed(queue, worker):
    a, b = submit(queue, prompt="a"), submit(queue, prompt="b")
    seen = queue.version()
    assert queue.events(seen) == []
    worker.work()
    assert [job.id for job in queue.events(seen)] == [a.id]
    queue.delete(b.id)
    assert [(job.id, job.state) for job in queue.events(seen)] == [(a.id, "done"), (b.id, "deleted")]


def test_what_a_killed_worker_left_waits_at_its_old_place(queue, claims):
    first, second = submit(queue, prompt="a"), submit(queue, prompt="b")
    claims.claim()
    claims.recover()  # as the next worker does
    assert [job.id for job in queue.list("queued")] == [first.id, second.id]


@pytest.mark.parametrize("moved", [0, 1, 2])
def test_results_that_were_complete_are_moved_exactly_once(queue, claims, files, moved, monkeypatch):
    """Killed after any number of moves: the next worker completes them and makes nothing again."""
    job = submit(queue)
    claims.claim()
    made = queue.folder(job.id) / "made"
    made.mkdir(parents=True)
    paths = [made / "a.mp4", made / "b.mp4"]
    for path in paths:
        path.write_text(path.name)
    with monkeypatch.context() as patch:
        patch.setattr(Claims, "finish_moves", lambda *_: None)
        claims.finish(job.id, paths[:1], made)
    for path in paths[:moved]:
        path.rename(files.folder / f"{job.id}-{path.name}")
    claims.recover()
    assert queue.get(job.id).state == "done"
    assert queue.get(job.id).results == (f"{job.id}-a.mp4",)
    there = {path.name: path.read_text() for path in files.folder.iterdir() if path.is_file()}
    assert there == {f"{job.id}-a.mp4": "a.mp4", f"{job.id}-b.mp4": "b.mp4"}


def test_a_full_disk_fails_one_job_and_delays_what_the_queue_has_to_know(queue, worker, monkeypatch, capfd):
    monkeypatch.setattr("ui.jobs.worker.FULL_DISK_PAUSE", 0)
    leave, times = Claims.leave, []

    def full(*_):
        raise ResourceError("outputs cannot be written: No space left on device")

    def leave_at_last(self, *about):
        times.append(about)
        full() if len(times) < 3 else leave(self, *about)

    first, second = submit(queue), submit(queue)
    with monkeypatch.context() as patch:
        patch.setattr(Claims, "finish", full)
        patch.setattr(Claims, "leave", leave_at_last)
        worker.work()
    worker.work()
    assert queue.get(first.id).state == "failed"
    assert "No space left" in queue.get(first.id).error
    assert queue.get(second.id).state == "done"


def test_many_threads_submit_and_no_job_is_lost_or_claimed_twice(queue):
    def submit_ten():
        for _ in range(10):
            submit(queue)

    def work():
        worker = Worker(Claims(queue.database.path, queue.files))
        while worker.work():
            pass

    for target, count in ((submit_ten, 8), (work, 4)):
        threads = [threading.Thread(target=target) for _ in range(count)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
    jobs = queue.list("done")
    assert len(jobs) == 80
    assert len({name for job in jobs for name in job.results}) == 80
