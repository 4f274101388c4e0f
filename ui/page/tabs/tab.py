"""What a tab says of itself; everything else follows from its command's schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["clip", "picture", "sound", "text"]
"""Of a result."""


@dataclass(frozen=True)
class Tab:
    """A command's place on the page.

    Attributes:
        command: which it is, see `ui.jobs.commands`.
        title: on the tab.
        lead: what happens here, in one line.
        button: what it is called to start.
        everyday: rows of settings that are always in sight.
        examples: titles and settings that work at once with the starter weights; a value `example:NAME` is a file of
            `ui/examples`.
        needs: settings of which one must be given; none where the command decides.
        each: a file setting that takes several files, and asks for a job with each.
        takes: which setting a result of each kind comes to when it is sent here.
        models: settings that name a model, and registered models that they can name.
        part: the folder of the starter weights without which the starter can do nothing here.
    """

    command: str
    title: str
    lead: str
    button: str
    everyday: tuple[tuple[str, ...], ...]
    examples: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    each: str | None = None
    takes: Mapping[Kind, str] = field(default_factory=dict)
    models: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"model": ("starter",)})
    part: str = "transformer"
