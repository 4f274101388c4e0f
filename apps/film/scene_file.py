"""A scene file, read as a stranger's: small, plain, without repetitions, and with pictures beside it only."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from apps.film.scenes import BEFORE, Scenes, Shot
from shared.config import from_mapping, shorten
from shared.errors import InputError, first_line
from shared.media.files import refusal

LARGEST = 128 << 10
"""Bytes."""

LONGEST_NUMBER = 40
"""Characters."""


def read_scenes(path: Path) -> Scenes:
    """The scenes of a film.

    Args:
        path: a YAML file: a mapping with `shots`, a list of mappings.

    Returns:
        The scenes; files named in them are paths of this machine.

    Raises:
        InputError: the file is missing, too large, no YAML or no mapping; or a key, a value or a file in it is refused.
            The line names the shot.
    """
    told = _mapping(_load(_text(path), path), f"{path}")
    entries = told.get("shots", [])
    if not isinstance(entries, list):
        raise InputError(f"{path}: shots: a list of shots is wanted, not {shorten(entries)}")
    shots = [_shot(entry, f"{path}, shot {number}", path) for number, entry in enumerate(entries, 1)]
    try:
        return from_mapping(Scenes, {**told, "shots": shots})
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _shot(entry: Any, name: str, path: Path) -> Shot:
    told = _mapping(entry, name)
    try:
        shot = from_mapping(Shot, told)
        files = {
            key: _beside(path, key, getattr(shot, key)) for key in ("first", "last", "clip") if key in told
        }
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    return dataclasses.replace(shot, **files)


def _beside(path: Path, key: str, named: Path | None) -> Path | None:
    """A file that a scene file names: in its folder, or below."""
    if named is None or (key == "first" and named == Path(BEFORE)):
        return named
    try:
        room, file = path.parent.resolve(), (path.parent / named).resolve()
        there = file.is_relative_to(room)
        exists = there and file.is_file()
    except (OSError, RuntimeError, ValueError):  # a loop of links, or a name that no file can have
        there, exists = True, False
    if not there:
        raise InputError(f"{key}: {shorten(named)} is not in the scene file's folder: put it beside the file")
    if not exists:
        raise InputError(f"{key}: {path.parent / named} is missing")
    return path.parent / named


def _mapping(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"{name}: a mapping of settings is wanted, not {shorten(value)}")
    for key in value:
        if not isinstance(key, str):
            raise InputError(f"{name}: a setting's name is wanted, not {shorten(key)}")
    return dict(value)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
        if len(raw) > LARGEST:
            raise InputError(f"{path} is no scene file: it has more than {LARGEST >> 10} KB")
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path} is no scene file: it is not text in UTF-8") from None
    except OSError as error:
        raise refusal(error, path, "read") from error


class _Loader(yaml.SafeLoader):
    """Plain values only: no aliases, which can repeat each other without end, no key twice, no endless numbers."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise _refused("aliases are not read", self.peek_event())
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        names: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in names:
                raise _refused(f"{shorten(key.value)} stands twice", key)
            names.add(str(key.value))
        return super().construct_mapping(node, deep)

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            return super().construct_object(node, deep)
        try:
            return super().construct_object(node, deep)
        except (
            ValueError,
            LookupError,
            AttributeError,
            TypeError,
            OverflowError,
        ):  # what the tags' readers raise
            tag = node.tag.rpartition(":")[2]
            raise _refused(f"{shorten(node.value)} is no {tag}", node) from None

    def construct_number(self, node: Any) -> int:
        if len(node.value) > LONGEST_NUMBER:
            raise _refused(f"{shorten(node.value)} is too long for a number", node)
        return self.construct_yaml_int(node)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_number)


def _refused(problem: str, place: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=place.start_mark)


def _load(text: str, path: Path) -> Any:
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(f"{path}{line}: {error.problem or first_line(error)}") from None
    except RecursionError:
        raise InputError(f"{path} is no scene file: it is nested too deeply") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise InputError(f"{path} is no scene file: {first_line(error)}") from None
