"""A command's settings as a JSON schema, for OpenAPI and for clients that draw a form."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any, Literal

from shared.config import RELEASED_SIZES, Size, kinds
from ui.jobs.commands import JobCommand

_TYPES: dict[Any, dict[str, Any]] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    Size: {
        "type": "string",
        "pattern": f"^([0-9]{{1,6}}[xX][0-9]{{1,6}}|({'|'.join(RELEASED_SIZES)})(-[0-9]+:[0-9]+)?)$",
    },
    Path: {"type": "string", "description": "a name in the output folder, as uploads and results have them"},
}


def command_schema(command: JobCommand) -> dict[str, Any]:
    """The JSON schema of a job's settings."""
    properties = {}
    for name, (field, about) in command.fields().items():
        found = [_kind(kind) for kind in kinds(command.schema(), name)]
        one: dict[str, Any] = dict(found[0]) if len(found) == 1 else {"anyOf": found}
        one["description"] = about.help + (f" [{about.unset}]" if about.unset else "")
        if about.minimum is not None:
            one["minimum"] = about.minimum
        if about.maximum is not None:
            one["maximum"] = about.maximum
        if isinstance(field.default, bool | int | float | str):
            one["default"] = field.default
        properties[name] = one
    return {"type": "object", "title": command.name, "properties": properties, "additionalProperties": False}


def _kind(kind: Any) -> dict[str, Any]:
    if typing.get_origin(kind) is Literal:
        return {"enum": list(typing.get_args(kind))}
    if typing.get_origin(kind) is tuple:
        return {"type": "array", "items": _kind(typing.get_args(kind)[0])}
    return _TYPES.get(kind, {"type": "string"})
