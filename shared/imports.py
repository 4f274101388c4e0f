"""Packages whose names load on first use (PEP 562), so that importing one part never waits for another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from shared.errors import InputError


def lazily(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package.

    Args:
        package: Its `__name__`.
        homes: The module that holds each public name, relative to the package.
    """

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return load


def require(package: str, module: str, what: str) -> None:
    """Refuse what needs a package that is not installed.

    Raises:
        InputError: It is not; the line says how to install it.
    """
    top = module.split(".")[0]
    if find_spec(top) is None or find_spec(module) is None:
        raise InputError(f"{what} needs the package {package}: pip install {package}")
