"""Clips and the files they come from and go to. Names load on first use: `--help` needs no FFmpeg."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.media.clip import Clip
    from shared.media.files import check_writable
    from shared.media.naming import Output
    from shared.media.picture import contact_sheet
    from shared.media.reading import read_clip

_HOMES = {
    "Clip": "clip",
    "Output": "naming",
    "check_writable": "files",
    "contact_sheet": "picture",
    "read_clip": "reading",
}

__all__ = ["Clip", "Output", "check_writable", "contact_sheet", "read_clip"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
