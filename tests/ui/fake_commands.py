"""A command that makes text files step by step, without a model: for the queue, the worker and the server."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from apps.commands import COMMANDS, Command
from shared.config import check, setting
from shared.console import note
from shared.errors import InputError


@dataclass(frozen=True)
class FakeRequest:
    prompt: str = setting("a", "what the file says")
    steps: int = setting(3, "how often it waits", minimum=1, maximum=1000)
    pace: float = setting(0.0, "seconds of each step", minimum=0, maximum=1000)
    loads: float = setting(0.0, "seconds until its model is loaded", minimum=0, maximum=1000)
    fails: str = setting("", "fail with this line")
    seed: int | None = setting(None, "for the name", minimum=0)
    image: Path | None = setting(None, "a file", local=True)
    out: Path | None = setting(None, "the folder", local=True)

    def __post_init__(self):
        check(self)
        if not self.prompt:
            raise InputError("prompt is empty")


@dataclass(frozen=True)
class FakeStep:
    index: int
    total: int


class NoTensor:
    """Neither video nor sound: nothing to preview."""

    ndim = 0


def make(request, host):
    """One file, `steps` steps long."""
    note(f"seed {request.seed}")
    if request.loads:
        host.load(time.sleep, request.loads)
    with host.sampling(request.steps, "waiting") as watcher:
        for index in range(request.steps):
            time.sleep(request.pace)
            watcher(FakeStep(index, request.steps), NoTensor(), NoTensor())
    if request.fails:
        raise InputError(request.fails) if request.fails != "crash" else RuntimeError("a bug")
    path = request.out / f"fake-seed{request.seed}.txt"
    path.write_text(f"{request.prompt} {host.about['job']}\n")
    return [path]


COMMANDS["fake"] = Command("for tests", request="fake_commands:FakeRequest", make="fake_commands:make")
