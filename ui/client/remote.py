"""`--server URL`: a command's files are sent, its job is watched with the same bar, its results are fetched."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from shared.config import Schema, Size, local_path, setting, to_mapping
from shared.console import Progress, note, result
from shared.errors import InputError, KinoraError
from shared.media.files import check_writable, reserving
from shared.media.naming import DEFAULT_FOLDER, numbered
from ui.client.client import Client
from ui.jobs.commands import JobCommand


@dataclass(frozen=True)
class Remote:
    """What every generating command takes beside its own settings."""

    server: str | None = setting(
        None,
        "run on a server of `kinora serve`, such as http://studio:7860; model and lora are its own",
        local=True,
    )


@cache
def with_server(schema: type[Schema]) -> Any:
    """A command's request with the server's address after its own settings."""
    return dataclasses.make_dataclass(schema.__name__, (), bases=(schema, Remote), frozen=True)


def carry_out(command: JobCommand, asked: Any) -> None:
    """Let a server carry out a request, and bring its results to `out`.

    Raises:
        InputError: the server refuses the request, a file cannot be read, or `out` cannot be written.
        ResourceError: the server cannot be reached.
    """
    if asked.server is None:
        raise InputError("server: an address is wanted, such as http://127.0.0.1:7860")
    place = _Place.of(asked.out)
    with Client(asked.server) as client:
        job = client.submit(command.name, _settings(command, asked, place, client))
        try:
            job = _watched(client, job)
        except KeyboardInterrupt:
            with contextlib.suppress(KinoraError):
                client.ask("POST", f"/api/jobs/{job['id']}/cancel")
            raise
        if job["state"] != "done":
            raise InputError(job["error"] or f"job {job['id']} was {job['state']} on the server")
        for number, name in enumerate(job["results"]):
            with place.reserved(Path(name).name.removeprefix(f"{job['id']}-")) as path:
                client.fetch(f"/api/jobs/{job['id']}/results/{number}", path)
                result(str(path))


def _watched(client: Client, job: dict[str, Any]) -> dict[str, Any]:
    """Show a job's progress and notes until it is over; it comes back as it is then."""
    said = 0
    with _Bar() as bar:
        for seen in client.events(job["id"]):
            bar.show(seen["progress"])
            for line in seen["notes"][said:]:
                note(line)
            said, job = len(seen["notes"]), seen
    return job


def _settings(command: JobCommand, asked: Any, place: _Place, client: Client) -> dict[str, Any]:
    """What differs from the defaults, with the names that the server gives the files."""
    fields = command.fields()
    changed = {name for name, (field, _) in fields.items() if getattr(asked, name) != field.default}
    sent = {name: _sent(getattr(asked, name), client) for name in command.files() if name in changed}
    values = to_mapping(dataclasses.replace(asked, **sent), local=True)
    chosen = {name: value for name, value in values.items() if name in changed}
    kind = place.kind
    if kind == "wav" and "wav" in fields:
        chosen["wav"] = True
    elif kind is not None and "format" in fields:
        chosen.setdefault("format", kind)
    return chosen


def _sent(value: Any, client: Client) -> Any:
    """A setting's value with its files on the server."""
    if isinstance(value, Path):
        return Path(client.upload(value))
    if isinstance(value, tuple) and not isinstance(value, Size):
        return tuple(_sent(one, client) for one in value)
    return dataclasses.replace(value, file=Path(client.upload(value.file)))


@dataclass
class _Place:
    """Where results go: a file that the user named, or a folder in which no file is replaced."""

    folder: Path
    file: Path | None

    @classmethod
    def of(cls, out: Path | None) -> _Place:
        out = DEFAULT_FOLDER if out is None else local_path(out)
        named = out.suffix != "" and not out.is_dir()
        check_writable(out.parent if named else out)
        return cls(out.parent if named else out, out if named else None)

    @property
    def kind(self) -> str | None:
        return None if self.file is None else self.file.suffix.lower()[1:]

    @contextlib.contextmanager
    def reserved(self, name: str) -> Generator[Path]:
        """The path of a result; its first one of the asked kind takes the user's name, a folder comes as a ZIP."""
        if self.file is not None and Path(name).suffix.lower() == self.file.suffix.lower():
            path, self.file = self.file, None
            if path.exists():
                note(f"{path} existed and is replaced")
            yield path
            return
        stem, suffix = Path(name).stem, Path(name).suffix or ".zip"
        with reserving([path] for path in numbered(self.folder, stem, suffix)) as path:
            yield path


class _Bar:
    """One bar at a time, for the stage that the job is in."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._stage, self._done = "", 0

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *error: object) -> None:
        self._close()

    def show(self, progress: Mapping[str, Any]) -> None:
        if progress["stage"] != self._stage or progress["step"] < self._done:
            self._close()
            self._stage, self._done = progress["stage"], 0
            self._bar = Progress(progress["total"], self._stage) if progress["total"] else None
        if self._bar is not None:
            self._bar.advance(progress["step"] - self._done)
            self._done = progress["step"]

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
