"""What was asked for once, to be asked for again: the settings of a job, of a result, or of a result sent elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from foundation.rerun.inputs import find_inputs
from shared.config import parse
from shared.errors import InputError
from ui.jobs import Job, Queue
from ui.jobs.commands import find_command
from ui.jobs.results import Result
from ui.jobs.store import JobNotFoundError
from ui.page.tabs.tab import Tab


@dataclass(frozen=True)
class Asked:
    """A form's new contents.

    Attributes:
        command: whose form.
        settings: what it shall hold.
        editing: the waiting job that it belongs to, if any.
    """

    command: str
    settings: dict[str, Any] = field(default_factory=dict)
    editing: str | None = None


def of_job(job: Job) -> Asked:
    """What a job was asked for, with the seed that was drawn for it."""
    drawn = {} if job.seed is None else {"seed": job.seed}
    return Asked(job.command, {**drawn, **job.settings})


def of_result(result: Result, queue: Queue) -> Asked:
    """What made a result, and this one alone: from its job, else from its receipt.

    Raises:
        InputError: no command makes such results.
    """
    command = find_command(result.command).name
    seed = {} if result.receipt.get("seed") is None else {"seed": result.receipt["seed"], "count": 1}
    about = result.receipt.get("details", result.receipt)
    try:
        settings = queue.get(str(about.get("job"))).settings
    except JobNotFoundError:
        settings = _recorded(command, result, queue)
    known = find_command(command).fields()
    return Asked(command, {name: value for name, value in {**settings, **seed}.items() if name in known})


def sent(result: Result, tab: Tab) -> Asked:
    """A result as what another command begins with.

    Raises:
        InputError: that command takes nothing of this kind.
    """
    if result.kind not in tab.takes:
        raise InputError(f"{tab.title} takes no {result.kind}")
    target = tab.takes[result.kind]
    if result.kind == "text":
        return Asked(tab.command, {target: result.rewrites[0]["text"]})
    prompt = result.receipt.get("request", {}).get("prompt")
    return Asked(tab.command, {target: result.name, **({"prompt": prompt} if prompt else {})})


def targets(result: Result, tabs: Sequence[Tab]) -> list[tuple[str, str]]:
    """Titles and commands of the tabs that take a result."""
    return [
        (tab.title, tab.command) for tab in tabs if result.kind in tab.takes and tab.command != result.command
    ]


def _recorded(command: str, result: Result, queue: Queue) -> dict[str, Any]:
    """A receipt's settings, each as far as its schema takes it, and its inputs where they are still here."""
    known = find_command(command)
    schema, fields = known.schema(), known.fields()
    settings = {}
    for name, value in _request(result).items():
        if name in fields and not fields[name][1].local:
            try:
                parse(schema, name, value)
            except InputError:
                continue
            settings[name] = value
    try:
        inputs = find_inputs(result.receipt.get("details", {}).get("inputs", {}))
    except InputError:
        return settings
    folder = queue.files.folder
    found = {name: path for name, path in inputs.items() if name in fields and path.is_relative_to(folder)}
    return settings | {name: queue.files.name(path) for name, path in found.items()}


def _request(result: Result) -> Mapping[str, Any]:
    if result.kind == "text":
        return {"prompt": result.rewrites[0]["original"], "mode": result.rewrites[0].get("mode", "normal")}
    return result.receipt.get("request", {})
