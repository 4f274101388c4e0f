"""A backend that says what it is told to, and a server in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest


class FakeBackend:
    """Gives the answers of a list, one after the other; the tasks that it was given are kept."""

    name = "fake"

    def __init__(self, *answers, strict=False):
        self.answers, self.strict, self.tasks, self.closed = list(answers), strict, [], False

    def propose(self, task, on_text=None):
        self.tasks.append(task)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self):
        self.closed = True


@pytest.fixture
def fake():
    return FakeBackend


@pytest.fixture(scope="session")
def server():
    """The address of a server that behaves as the name of its model says, see `server.py`."""
    script = Path(__file__).with_name("server.py")
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    port = process.stdout.readline().strip()
    yield f"http://127.0.0.1:{port}/v1"
    process.terminate()
    process.wait()


@pytest.fixture(autouse=True)
def no_address_of_the_user(monkeypatch):
    for name in ("KINORA_REWRITE_URL", "KINORA_REWRITE_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
