"""A worker that carries out job after job, some of which break, holds no more memory than after its first ones.

Each app is compared with itself: the first jobs import libraries, and the model of the last one stays loaded.
"""

import itertools
import sys
import time
from pathlib import Path

import psutil
import pytest
from faulty_worker import FAULT
from PIL import Image
from tiny_apps import i2v_folder, model_folder, sound_folder, starter_folder

from ui.jobs.claims import Claims
from ui.jobs.process import WorkerProcess

__all__ = ["i2v_folder", "model_folder", "sound_folder", "starter_folder"]

RUNS, FAULTY = 30, 5
WORKER = [sys.executable, str(Path(__file__).with_name("faulty_worker.py"))]


def settled_memory(process):
    """Resident MB once a job's end, which the queue knows of a moment earlier, has given back what it held."""
    before, size = 0, process.memory_info().rss
    while abs(size - before) > 0.001 * size:
        time.sleep(0.5)
        before, size = size, process.memory_info().rss
    return size / 1e6


def worker_process():
    """The worker among the processes that this one has started."""
    return next(child for child in psutil.Process().children() if WORKER[1] in child.cmdline())


@pytest.mark.slow
def test_memory_after_thirty_alternating_jobs_is_that_after_the_second_of_each_app(
    queue, files, i2v_folder, sound_folder
):
    (files.folder / "uploads").mkdir()
    Image.new("RGB", (48, 32), "red").save(files.folder / "uploads" / "a.png")
    pictures = {"model": str(i2v_folder), "image": "uploads/a.png", "frames": 5, "size": "32x32"}
    sounds = {"model": str(sound_folder), "seconds": 1.0}
    apps = [("t2v", {}), ("i2v", pictures), ("v2a", sounds), ("rewrite", {})]
    resident = {command: [] for command, _ in apps}
    with WorkerProcess(Claims(queue.database.path, files), WORKER):
        for number, (command, settings) in zip(range(1, RUNS + 1), itertools.cycle(apps), strict=False):
            broken = number % FAULTY == 0
            prompt = FAULT if broken else "a red circle moves right on a gray background"
            steps = {} if command == "rewrite" else {"steps": 2}
            job = queue.submit(command, {"prompt": prompt, **steps, **settings})
            while not queue.get(job.id).is_over:
                time.sleep(0.05)
            job = queue.get(job.id)
            assert job.state == ("failed" if broken else "done"), job.error
            size = settled_memory(worker_process())
            print(f"{number} {command} {job.state} {size:.0f} MB", flush=True)
            if not broken:
                resident[command].append(size)
    for command, sizes in resident.items():
        assert sizes[-1] <= 1.02 * sizes[1], (command, [f"{size:.0f} MB" for size in sizes])
