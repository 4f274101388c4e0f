"""Commands of the table as jobs: settings, files and results, for HTTP, forms, `--server` and the worker."""

from __future__ import annotations

import dataclasses
import json
import os
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from apps.commands import Command, generating, load
from foundation.checkpoints.lora.source import Lora
from foundation.runtime.host import Host
from shared.config import Setting, from_mapping, kinds, near_miss, settings, shorten
from shared.errors import InputError
from shared.media.files import replacing
from shared.media.naming import slug

HOSTED = ("out", "collect", "url", "key", "offload_folder")
"""Settings that whoever runs a server decides: where results and waiting weights go, and whom it calls."""

Place = Callable[[str], Path]
"""Finds the file that a job's setting names."""


@dataclass(frozen=True)
class JobCommand:
    """A command of the table as a job runs it.

    Attributes:
        name: as on the command line.
        command: its entry.
    """

    name: str
    command: Command

    @property
    def help(self) -> str:
        """Its line of help."""
        return self.command.help

    @property
    def keeps_parts(self) -> bool:
        """Whether it goes on from what an interrupted run left beside its result."""
        return self.command.keeps_parts

    def schema(self) -> type[Any]:
        """The request with all of its settings."""
        return _schema(self.command.request, self.command.rewrites)

    def fields(self) -> dict[str, tuple[dataclasses.Field, Setting]]:
        """The settings that a job has: all but those of the server's host."""
        return {name: entry for name, entry in settings(self.schema()).items() if name not in HOSTED}

    def files(self) -> tuple[str, ...]:
        """The settings that name media or text, which a job gives relative to the output folder."""
        return tuple(name for name in self.fields() if _holds_path(self.schema(), name))

    def request(self, values: Mapping[str, Any], place: Place) -> Any:
        """A checked request from a job's settings.

        Args:
            values: setting -> JSON value.
            place: see `Place`.

        Raises:
            InputError: an unknown setting, a refused value, or a file that is not there.
        """
        known = self.fields()
        if not isinstance(values, Mapping):
            raise InputError(f"settings are a mapping, not {shorten(values)}")
        for name in values:
            if name in HOSTED and name in settings(self.schema()):
                raise InputError(f"{name} is for the server to decide: leave it out")
            if name not in known:
                raise InputError(f"unknown setting {shorten(name)}{near_miss(name, known)}")
        given = {name: value for name, value in values.items() if value is not None}
        found = {name: _placed(name, given[name], place) for name in self.files() if name in given}
        return from_mapping(self.schema(), {**given, **found})

    def run(self, request: Any, folder: Path, host: Host) -> list[Path]:
        """Carry a request out.

        Args:
            request: as `request` made it.
            folder: where results go.
            host: loads models and watches steps.

        Returns:
            The results' paths in the folder.
        """
        if self.name == "rewrite":
            rewrites = load(self.command.make)(_with_server(request))
            return [_write_rewrites(rewrites, folder, host)]
        out = folder / "film.mp4" if self.keeps_parts else folder
        return self.command.run(dataclasses.replace(request, out=out), host)


def job_commands() -> dict[str, JobCommand]:
    """Every command of the table that makes files, by name."""
    return {name: JobCommand(name, command) for name, command in generating().items()}


def find_command(name: Any) -> JobCommand:
    """A command by its name.

    Raises:
        InputError: No job runs such a command.
    """
    known = generating()
    if not isinstance(name, str) or name not in known:
        raise InputError(f"unknown command {shorten(name)}{near_miss(name, known)}")
    return JobCommand(name, known[name])


@cache
def _schema(request: str, rewrites: bool) -> type[Any]:
    return Command("", request=request, rewrites=rewrites).schema()


@cache
def _holds_path(schema: type[Any], name: str) -> bool:
    """Whether a setting is a path, or a list of things with one in them; weights are none of a user's media."""
    for kind in kinds(schema, name):
        inner = typing.get_args(kind)[0] if typing.get_origin(kind) is tuple else kind
        if inner is Path:
            return True
        if dataclasses.is_dataclass(inner) and inner is not Lora:
            return Path in typing.get_type_hints(inner).values()
    return False


def _placed(setting: str, value: Any, place: Place) -> Any:
    """The files that a value names, found; in `FRAME=FILE` what stands behind the sign."""
    if isinstance(value, list | tuple):
        return [_placed(setting, one, place) for one in value]
    if not isinstance(value, str):
        raise InputError(f"{setting}: a file's name is wanted, not {shorten(value)}")
    frame, sign, name = value.rpartition("=")
    try:
        return f"{frame}{sign}{place(name)}"
    except InputError as error:
        raise InputError(f"{setting}: {error}") from error


def _with_server(request: Any) -> Any:
    from apps.prompt_rewrite.request import from_environment

    return from_environment(request, os.environ)


def _write_rewrites(rewrites: list[Any], folder: Path, host: Host) -> Path:
    """A JSON file with the rewrites, which is its own receipt."""
    from shared.receipts.receipt import versions

    about = {"command": "rewrite", "versions": versions(), **host.about}
    path = folder / f"{slug(rewrites[0].original)}-rewrite.json"
    with replacing(path) as temporary:
        text = json.dumps(
            {**about, "rewrites": [one.record() for one in rewrites]}, ensure_ascii=False, indent=1
        )
        temporary.write_text(text + "\n", encoding="utf-8")
    return path
