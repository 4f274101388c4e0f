"""The commands that a job can run: the one table that HTTP, the form, `--server` and the worker read."""

from __future__ import annotations

import dataclasses
import json
import os
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

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
class Command:
    """A command as a job runs it.

    Attributes:
        name: as on the command line.
        help: its line of help.
        module: where its request is.
        schema_name: of the request there.
        maker: module and function that carry a request out.
        word: the setting whose value may stand without its flag.
        prepared: whether it takes the rewriter's settings, see `apps.film`.
        keeps_parts: whether it goes on from what an interrupted run left beside its result.
    """

    name: str
    help: str
    module: str
    schema_name: str
    maker: tuple[str, str]
    word: str | None = None
    prepared: bool = False
    keeps_parts: bool = False

    def schema(self) -> type[Any]:
        """The request with all of its settings."""
        return _schema(self)

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
        make = getattr(import_module(self.maker[0]), self.maker[1])
        if self.name == "rewrite":
            return [_write_rewrites(make(_with_server(request)), folder, host)]
        if self.prepared:
            from apps.film import carry_out

            schema = getattr(import_module(self.module), self.schema_name)
            return carry_out(schema, make, dataclasses.replace(request, out=folder), host)
        out = folder / "film.mp4" if self.keeps_parts else folder
        return make(dataclasses.replace(request, out=out), host=host)


COMMANDS = {
    command.name: command
    for command in (
        Command(
            "t2v",
            "a sentence becomes a clip",
            "foundation.t2v.request",
            "TextToVideoRequest",
            ("foundation.t2v.cli", "make"),
            prepared=True,
        ),
        Command(
            "i2v",
            "pictures and a sentence become a clip",
            "apps.i2v.request",
            "ImageToVideoRequest",
            ("apps.i2v.cli", "make"),
            prepared=True,
        ),
        Command(
            "v2a",
            "a clip is given a sound that fits what happens in it",
            "apps.v2a.request",
            "VideoToAudioRequest",
            ("apps.v2a.cli", "make"),
            word="video",
        ),
        Command(
            "film",
            "a sentence or a scene file becomes a film with sound",
            "apps.film.request",
            "FilmRequest",
            ("apps.film.run", "make"),
            word="prompt",
            keeps_parts=True,
        ),
        Command(
            "rewrite",
            "a prompt becomes one that the model understands",
            "apps.prompt_rewrite.request",
            "RewriteRequest",
            ("apps.prompt_rewrite.cli", "make"),
            word="prompt",
        ),
    )
}


def find_command(name: Any) -> Command:
    """A command by its name.

    Raises:
        InputError: No job runs such a command.
    """
    if not isinstance(name, str) or name not in COMMANDS:
        raise InputError(f"unknown command {shorten(name)}{near_miss(name, COMMANDS)}")
    return COMMANDS[name]


@cache
def _schema(command: Command) -> type[Any]:
    schema = getattr(import_module(command.module), command.schema_name)
    if not command.prepared:
        return schema
    from apps.film import with_rewriting

    return with_rewriting(schema)


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
