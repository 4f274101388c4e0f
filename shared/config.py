"""One schema per command: a frozen dataclass becomes flags, a mapping's check, and a receipt's entry.

A field made with `setting` carries its help and bounds. From it come the command-line flag, the check of an
HTTP body or a recorded request, and the bounds that also hold for who builds the dataclass in Python.
All refusals are one-line `InputError`s, and none of this imports torch.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import difflib
import errno
import functools
import inspect
import math
import operator
import os
import re
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, NoReturn, Protocol, TypeVar

from shared.console import result
from shared.errors import InputError


class Schema(Protocol):
    """A dataclass whose fields are made with `setting`."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


Request = TypeVar("Request", bound=Schema)
_NONE = type(None)


class Size(NamedTuple):
    """Width and height of a picture in pixels, written WIDTHxHEIGHT."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


RELEASED_SIZES = {
    "720p": {
        "16:9": Size(1280, 720),
        "9:16": Size(720, 1280),
        "4:3": Size(1104, 832),
        "3:4": Size(832, 1104),
        "1:1": Size(960, 960),
    },
    "540p": {
        "16:9": Size(960, 544),
        "9:16": Size(544, 960),
        "4:3": Size(832, 624),
        "3:4": Size(624, 832),
        "1:1": Size(720, 720),
    },
}
"""Sizes that the released HunyuanVideo weights were made for, by name and shape; a name alone is the first shape."""


@dataclass(frozen=True)
class Setting:
    """What a field tells people: its help, its bounds (inclusive), and what stands in when it is unset."""

    help: str
    minimum: float | None = None
    maximum: float | None = None
    unset: str = ""
    metavar: str | None = None
    local: bool = False


def setting(default: Any, help: str, **about: Any) -> Any:
    """A dataclass field with a `Setting`.

    Args:
        default: The value when the user gives none; None means that something else decides (say what in
            `unset`).
        help: One line for `--help`, the form and the docs.
        about: `minimum` and `maximum` (inclusive); `unset`; `metavar`; `local` for what belongs to this
            machine (paths) and must not be taken from a stranger's receipt.
    """
    return dataclasses.field(default=default, metadata={"setting": Setting(help, **about)})


def bounded(default: Any, minimum: float | None = None, maximum: float | None = None) -> Any:
    """A field of a recipe's configuration with bounds (inclusive); `check_bounds` holds them.

    Args:
        default: a value, or a function that makes it where it is mutable.
        minimum: of a number, or of every number in a list.
        maximum: likewise.
    """
    metadata = {"setting": Setting("", minimum, maximum)}
    if callable(default):
        return dataclasses.field(default_factory=default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def settings(cls: type[Schema]) -> dict[str, tuple[dataclasses.Field, Setting]]:
    """The fields of a request by name, with their settings: its own as declared, then those of its bases."""
    homes = reversed(list(enumerate(cls.__mro__)))
    places = {name: place for place, home in homes for name in inspect.get_annotations(home)}
    fields = sorted(dataclasses.fields(cls), key=lambda field: places[field.name])
    return {field.name: (field, field.metadata["setting"]) for field in fields}


# -- values ------------------------------------------------------------------------------------------------


def kinds(cls: type[Schema], name: str) -> tuple[Any, ...]:
    """The types that a field takes, None left out, words first: `(int,)`, `(Literal["auto"], float)`.

    The order that a union is written in says nothing: `typing` hands out one object for both orders.
    """
    hint = _hints(cls)[name]
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        taken = [kind for kind in typing.get_args(hint) if kind is not _NONE]
        return tuple(sorted(taken, key=lambda kind: typing.get_origin(kind) is not Literal))
    return (hint,)


@functools.cache
def _hints(cls: type[Schema]) -> dict[str, Any]:
    """The annotations of all fields, evaluated once: that takes longer than everything else here."""
    return typing.get_type_hints(cls)


def parse(cls: type[Schema], name: str, value: Any) -> Any:
    """Turn a string or a JSON value into the field's type.

    Raises:
        InputError: The value is of none of the field's types.
    """
    wanted = []
    for kind in kinds(cls, name):
        try:
            return _parse(kind, value)
        except ValueError as error:
            wanted.append(str(error))
    choices = [
        word
        for kind in kinds(cls, name)
        if typing.get_origin(kind) is Literal
        for word in typing.get_args(kind)
    ]
    raise InputError(f"{name}: wanted {' or '.join(wanted)}, not {shorten(value)}{near_miss(value, choices)}")


def _parse(kind: Any, value: Any) -> Any:
    """A type of no entry in the table reads its own text: `kind.parse(text)` raises what is wanted instead."""
    parser = _PARSERS.get(typing.get_origin(kind) or kind)
    if parser is not None:
        return parser(kind, value)
    return value if isinstance(value, kind) else kind.parse(_parse_text(str, value))


def _parse_int(kind: type, value: Any) -> int:
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,30}\s*", value):
        return int(value)
    if hasattr(value, "__index__") and not isinstance(value, bool):
        return operator.index(value)
    raise ValueError("a whole number")


def _parse_float(kind: type, value: Any) -> float:
    number = math.nan
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError):
            number = float(value)
    if not math.isfinite(number):
        raise ValueError("a finite number")
    return number


def _parse_bool(kind: type, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ValueError("true or false")


def _parse_size(kind: type, value: Any) -> Size:
    if isinstance(value, tuple | list) and len(value) == 2:
        return Size(*(_parse_int(int, side) for side in value))
    text = value.strip().lower() if isinstance(value, str) else ""
    match = re.fullmatch(r"([0-9]{1,6})x([0-9]{1,6})", text)
    if match is not None:
        return Size(int(match[1]), int(match[2]))
    name, _, shape = text.partition("-")
    shapes = RELEASED_SIZES.get(name, {})
    if shapes and text == name:
        return next(iter(shapes.values()))
    if shape in shapes:
        return shapes[shape]
    names, all_shapes = one_of(RELEASED_SIZES), ", ".join(RELEASED_SIZES["720p"])
    raise ValueError(
        f"WIDTHxHEIGHT in pixels, such as 64x64, or {names}, with a shape ({all_shapes}) such as 720p-9:16"
    )


def _parse_choice(kind: Any, value: Any) -> Any:
    choices = typing.get_args(kind)
    if value in choices:
        return value
    raise ValueError(one_of(choices))


def _parse_text(kind: type, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("text")
    if "\0" in value or any(0xD800 <= ord(char) <= 0xDFFF for char in value):
        raise ValueError("text in UTF-8 without NUL")
    return value


def _parse_path(kind: type, value: Any) -> Path:
    text = _parse_text(str, str(value) if isinstance(value, Path) else value)
    if not text:
        raise ValueError("a path")
    if _is_too_long(Path(text)):
        raise ValueError("a path of a length that the system takes")
    return Path(text)


def local_path(path: str | Path) -> Path:
    """A path that a user wrote, on this machine: `~` is a home.

    Raises:
        InputError: There is no such user, or the system takes no path of this length.
    """
    try:
        own = Path(path).expanduser()
    except RuntimeError:
        raise InputError(f"{shorten(path)}: there is no such user here; ./{path} names a file") from None
    if _is_too_long(own):
        raise InputError(f"{shorten(path)} is longer than the system takes: choose a shorter path")
    return own


def _is_too_long(path: Path) -> bool:
    try:
        os.lstat(path.absolute())
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG
    except ValueError:  # NUL
        return False
    return False


def _parse_list(kind: Any, value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError("a list")
    return tuple(_parse(typing.get_args(kind)[0], one) for one in value)


_PARSERS: dict[Any, Any] = {
    int: _parse_int,
    float: _parse_float,
    bool: _parse_bool,
    Size: _parse_size,
    Literal: _parse_choice,
    Path: _parse_path,
    str: _parse_text,
    tuple: _parse_list,
}
"""By type; `tuple[KIND, ...]` is a list, and a flag that may be given several times."""


def text_lines(text: str) -> list[str]:
    """The lines of a text file: only a newline ends one, whatever else Unicode calls a line's end."""
    return text.replace("\r\n", "\n").removesuffix("\n").split("\n") if text else []


# -- checks ------------------------------------------------------------------------------------------------


def check(request: Schema) -> None:
    """Hold every field to its type and bounds, and normalise it; called by a request's `__post_init__`.

    Raises:
        InputError: A field is out of bounds; the line names field, value and bounds.
    """
    for name, (_, about) in settings(type(request)).items():
        value = getattr(request, name)
        if value is None:
            if _NONE not in typing.get_args(_hints(type(request))[name]):
                raise InputError(f"{name}: a value is wanted, not none")
            continue
        value = parse(type(request), name, value)
        object.__setattr__(request, name, value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            low, high = about.minimum, about.maximum
            if (low is not None and value < low) or (high is not None and value > high):
                raise InputError(f"{name} must be {_bounds(about)}, not {value}")


def check_bounds(configuration: Any, path: str = "") -> None:
    """Hold every number of a nested configuration to the bounds of its field.

    Args:
        configuration: a dataclass, whose fields may be dataclasses or mappings of them.
        path: of the configuration within a larger one, ends in a dot.

    Raises:
        InputError: the line names the setting, its value and its bounds.
    """
    for field in dataclasses.fields(configuration):
        value, name = getattr(configuration, field.name), f"{path}{field.name}"
        inner = value if isinstance(value, Mapping) else {"": value}
        for key, one in inner.items():
            if dataclasses.is_dataclass(one):
                check_bounds(one, f"{name}.{key}." if key else f"{name}.")
        about = field.metadata.get("setting")
        if about is not None:
            for number in value if isinstance(value, list | tuple) else [value]:
                if isinstance(number, int | float) and not _within(number, about):
                    raise InputError(f"{name}: {_bounds(about)} expected, got {number}")


def _within(number: float, about: Setting) -> bool:
    low = -math.inf if about.minimum is None else about.minimum
    high = math.inf if about.maximum is None else about.maximum
    return math.isfinite(number) and low <= number <= high


def _bounds(about: Setting) -> str:
    if about.maximum is None:
        return f"at least {about.minimum:g}"
    low, high = (
        f"{bound:g}" if abs(bound) < 1e6 else str(bound) for bound in (about.minimum or 0, about.maximum)
    )
    return f"{low} to {high}"


def one_of(choices: Iterable[Any]) -> str:
    """The choices as people write them: `a, b or c`."""
    words = [str(choice) for choice in choices]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def some_of(values: Sequence[Any], most: int = 3) -> str:
    """The first of many, shortened, and how many more there are: `'a', 'b', 'c' and 4 more`."""
    more = len(values) - most
    return ", ".join(map(shorten, values[:most])) + (f" and {more} more" if more > 0 else "")


def near_miss(word: Any, known: Iterable[str]) -> str:
    """A suggestion for a misspelt word, ready to append to an error; empty where nothing is near."""
    close = difflib.get_close_matches(str(word)[:64], list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]}?)" if close else ""


def shorten(value: Any, limit: int = 60) -> str:
    """A value as an error message may quote it: `repr`, cut in the middle when it is long."""
    text = repr(str(value) if isinstance(value, Path | Size) else value)
    return text if len(text) <= limit else f"{text[: limit - 12]}...{text[-8:]}"


# -- mappings ----------------------------------------------------------------------------------------------


def from_mapping(cls: type[Request], mapping: Mapping[str, Any], *, local: bool = True) -> Request:
    """A request from an HTTP body, a form or a recorded mapping.

    Args:
        cls: The request's dataclass.
        mapping: Setting -> value.
        local: Take what belongs to this machine, such as paths. From a stranger's receipt it is ignored.

    Raises:
        InputError: An unknown key (with the nearest known one) or a value that the schema refuses.
    """
    if not isinstance(mapping, Mapping):
        raise InputError(f"a request is a mapping of settings, not {shorten(mapping)}")
    known = settings(cls)
    for key in mapping:
        if key not in known:
            raise InputError(f"unknown setting {shorten(key)}{near_miss(key, known)}")
    return cls(**{key: value for key, value in mapping.items() if local or not known[key][1].local})


def to_mapping(request: Schema, *, local: bool = False) -> dict[str, Any]:
    """A request as JSON values, unset fields left out; `from_mapping` reads it back.

    Args:
        request: The dataclass instance.
        local: Keep what belongs to this machine, such as paths. A receipt does not.
    """
    mapping = {}
    for name, (_, about) in settings(type(request)).items():
        value = getattr(request, name)
        if value is not None and (local or not about.local):
            mapping[name] = _plain(value)
    return mapping


def _plain(value: Any) -> Any:
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple) and not isinstance(value, Size):
        return [_plain(one) for one in value]
    return str(value)


# -- flags -------------------------------------------------------------------------------------------------


class Parser(argparse.ArgumentParser):
    """An argument parser whose refusals are one-line `InputError`s that know near misses."""

    def __init__(self, **about: Any) -> None:
        super().__init__(allow_abbrev=False, **about)

    def error(self, message: str) -> NoReturn:
        """Refuse, in one line."""
        raise InputError(f"{message} ({self.prog} --help lists the flags)")

    def print_help(self, file: Any = None) -> None:
        """Print what `--help` shows, as every result is printed."""
        result(self.format_help().rstrip("\n"))

    def read(self, argv: Sequence[str]) -> argparse.Namespace:
        """Parse, refusing every flag that is not known."""
        values, unknown = self.parse_known_args(list(argv))
        if unknown:
            word = unknown[0].split("=")[0]
            hint = near_miss(word, self._option_string_actions)
            self.error(f"unknown {'flag' if word.startswith('-') else 'word'} {shorten(unknown[0])}{hint}")
        return values


def parser(cls: type[Schema], prog: str, description: str) -> Parser:
    """An argument parser with one flag per field of the request."""
    made = Parser(prog=prog, description=description, formatter_class=_Help)
    made.add_argument("--debug", action="store_true", help="show the trace of an error")
    for name, (field, about) in settings(cls).items():
        flag = f"--{name.replace('_', '-')}"
        text = f"{about.help}{_default(field, about)}".replace("%", "%%")
        if kinds(cls, name) == (bool,):
            made.add_argument(flag, dest=name, default=None, action=argparse.BooleanOptionalAction, help=text)
        else:
            metavar = about.metavar or _metavar(kinds(cls, name))
            several = "append" if typing.get_origin(kinds(cls, name)[0]) is tuple else "store"
            made.add_argument(flag, dest=name, default=None, action=several, metavar=metavar, help=text)
    return made


def from_argv(
    cls: type[Request], argv: Sequence[str], prog: str, description: str, word: str | None = None
) -> Request:
    """A request from a command line.

    Args:
        cls: The request's dataclass.
        argv: The command line.
        prog: The command's name, for messages.
        description: Its line of help.
        word: A setting whose value may stand without its flag.

    Raises:
        InputError: An unknown flag or a refused value.
        SystemExit: After `--help`.
    """
    reader = parser(cls, prog, description)
    if word is not None:
        metavar = settings(cls)[word][1].metavar or word.upper()
        reader.add_argument("word", nargs="?", metavar=metavar, help=f"the same as --{word} {metavar}")
    values = vars(reader.read(argv))
    if word is not None and values["word"] is not None:
        if values[word] is not None:
            raise InputError(f"give {word} once, with --{word} or without")
        values[word] = values["word"]
    return cls(**{name: values[name] for name in settings(cls) if values[name] is not None})


def to_argv(request: Schema) -> list[str]:
    """The command line that makes the same request; what is as it would be anyway is left out."""
    words = []
    for name, (field, _) in settings(type(request)).items():
        value, flag = getattr(request, name), name.replace("_", "-")
        if value is None or value == field.default:
            continue
        if isinstance(value, bool):
            words.append(f"--{'' if value else 'no-'}{flag}")
            continue
        several = isinstance(value, tuple) and not isinstance(value, Size)
        words += [f"--{flag}={one}" for one in (value if several else (value,))]
    return words


class _Help(argparse.HelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=32, width=110)


def _metavar(of: tuple[Any, ...]) -> str:
    words = []
    for kind in of:
        if typing.get_origin(kind) is Literal:
            words += typing.get_args(kind)
        else:
            words.append({int: "N", float: "X", Path: "PATH", Size: "WIDTHxHEIGHT"}.get(kind, "TEXT"))
    return "|".join(words)


def _default(field: dataclasses.Field, about: Setting) -> str:
    parts = []
    if about.minimum is not None:
        parts.append(_bounds(about))
    if field.default is None:
        parts += [f"default: {about.unset}"] if about.unset else []
    elif isinstance(field.default, bool):
        parts += ["default: on"] if field.default else []
    else:
        parts.append("default: none" if field.default in ("", ()) else f"default: {field.default!s}")
    return f" [{'; '.join(parts)}]" if parts else ""
