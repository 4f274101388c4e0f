"""A real server process for tests, with the fake command or with Kinora's own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx2

FAKE = [sys.executable, str(Path(__file__).with_name("fake_server.py"))]
REAL = [sys.executable, "-m", "ui.server"]


class Server:
    """A process, its address, and a client for it."""

    def __init__(self, program, out, *flags, port=0, env=None):
        words = [*program, "--out", str(out), "--port", str(port), *map(str, flags)]
        self.out = Path(out)
        self.process = subprocess.Popen(
            words,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=env,
            start_new_session=True,  # a group of its own, as in a terminal
        )
        self.address = self.process.stdout.readline().strip()
        if not self.address.startswith("http"):
            raise AssertionError(f"the server says: {self.process.stderr.read()}")
        self.client = httpx2.Client(base_url=self.address, timeout=60)

    @property
    def port(self):
        return int(self.address.rsplit(":", 1)[1])

    def submit(self, command, settings, **about):
        answer = self.client.post(f"/api/jobs/{command}", json=settings, **about)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def job(self, id):
        return self.client.get(f"/api/jobs/{id}").json()

    def wait(self, id, *states, seconds=120):
        """The job once it is in one of these states."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            job = self.job(id)
            if job["state"] in (states or ("done", "failed", "cancelled")):
                return job
            time.sleep(0.05)
        raise AssertionError(f"the job is still {job}")

    def events(self, id):
        """The jobs of a job's event stream."""
        with self.client.stream("GET", f"/api/jobs/{id}/events") as answer:
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        self.kill()
        self.client.close()
        self.process.stdout.close()
        self.process.stderr.close()


@contextmanager
def serving(program, out, *flags, **about):
    server = Server(program, out, *flags, **about)
    try:
        yield server
    finally:
        server.close()
