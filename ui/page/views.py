"""Views: what the page shows of jobs and results, as HTML in which every value is escaped."""

from __future__ import annotations

import json
import time
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).parent / "templates"


def view(name: str, **values: Any) -> str:
    """A template, filled in.

    Args:
        name: of a file in `ui/templates`, without its suffix.
        values: by the names that it uses.
    """
    return _environment().get_template(f"{name}.html").render(values)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"url": _url, "preview": _preview, "moment": _moment, "span": span, "receipt": _receipt}
    return made


def span(seconds: float) -> str:
    """A length of time as people say it: `7 s`, `2 min 5 s`, `1 h 4 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _url(name: str) -> str:
    """Where the server shows a file of the output folder."""
    return f"api/files/{quote(name)}"


def _preview(name: str) -> str:
    """Where the server shows what moves in a film that browsers do not play."""
    return f"api/previews/{quote(name)}"


def _moment(seconds: float) -> str:
    """Seconds since 1970 as a day and a time of this machine's clock."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _receipt(receipt: Any) -> str:
    return json.dumps(receipt, indent=2, ensure_ascii=False)
