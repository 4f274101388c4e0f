"""Forms: a command's settings as controls on a page, everyday ones in sight, and their values back as settings."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from foundation.runtime.settings import RuntimeSettings
from shared.config import settings as settings_of
from shared.errors import InputError
from ui.jobs.commands import find_command
from ui.page.controls import Control, Drop, control

if TYPE_CHECKING:
    from gradio.components import Component

Rows = Sequence[Sequence[str]]
Choices = Mapping[str, Sequence[tuple[str, str]]]
"""Setting -> labels and values to choose from."""

MACHINE = (*settings_of(RuntimeSettings), "base", "vae", "text_encoder", "text_encoder_2", "condition_type")
"""Settings about the machine and its files, which have a fold of their own."""


def fields(command: str) -> tuple[str, ...]:
    """The settings that a command's form has: those that a job has, none left out."""
    return tuple(find_command(command).fields())


class Form:
    """A command's form.

    Attributes:
        controls: by setting, in the order of the request.
        components: of the drawn form, in the same order.
    """

    def __init__(
        self,
        command: str,
        choices: Choices | None = None,
        each: str | None = None,
        unset: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Choose the controls.

        Args:
            command: its name.
            choices: for settings that are text.
            each: a file setting that takes several files, and asks for a job with each.
            unset: what the fields of these settings show without a value.
        """
        found = find_command(command)
        self.command = command
        self.controls: dict[str, Control] = {
            name: control(
                found.schema(),
                name,
                field,
                dataclasses.replace(about, unset=unset.get(name, about.unset)),
                (choices or {}).get(name, ()),
                name == each,
            )
            for name, (field, about) in found.fields().items()
        }
        self.components: list[Component] = []

    def draw(self, everyday: Rows, below_prompt: Callable[[], None] = lambda: None) -> list[Component]:
        """Draw the form, inside of a page.

        Args:
            everyday: rows of settings that are always in sight; the others are folded away.
            below_prompt: draws what stands below the row with the prompt.

        Returns:
            The components, in the order of `controls`.
        """
        import gradio as gr

        seen = [name for row in everyday for name in row]
        rest = [name for name in self.controls if name not in seen]
        folds = {
            "More settings": [name for name in rest if name not in MACHINE],
            "Machine": [name for name in rest if name in MACHINE],
        }
        upper = 1 + next((place for place, row in enumerate(everyday) if "prompt" in row), -1)
        drawn = self._rows(everyday[:upper])
        below_prompt()
        drawn |= self._rows(everyday[upper:])
        for label, names in folds.items():
            if names:
                with gr.Accordion(label, open=False, elem_classes="fold"):
                    drawn |= self._rows([names])
        self.components = [drawn[name] for name in self.controls]
        return self.components

    def _rows(self, rows: Rows) -> dict[str, Component]:
        import gradio as gr

        drawn = {}
        for row in rows:
            with gr.Row(elem_classes="fields"):
                drawn |= {name: self.controls[name].draw(f"{self.command}-{name}") for name in row}
        return drawn

    def settings(self, raw: Sequence[Any]) -> dict[str, Any]:
        """The settings that the components hold; what is empty or at its default is left out."""
        read = {name: one.read(value) for (name, one), value in zip(self.controls.items(), raw, strict=True)}
        return {
            name: value
            for name, value in read.items()
            if value is not None and value != self.controls[name].default
        }

    def check(self, settings: Mapping[str, Any], needs: Sequence[str]) -> None:
        """Refuse a form that says nothing to begin with, in the form's own words.

        Args:
            settings: what the form asks for.
            needs: settings of which one must be given.

        Raises:
            InputError: none of them is.
        """
        if not needs or any(name in settings for name in needs):
            return
        ways = [
            f"choose a file under {one.label}" if isinstance(one, Drop) else f"enter a {one.label.lower()}"
            for one in map(self.controls.__getitem__, needs)
        ]
        line = ", or ".join(ways)
        raise InputError(line[:1].upper() + line[1:])

    def jobs(self, raw: Sequence[Any]) -> list[dict[str, Any]]:
        """The settings of each job that the components ask for: one per file where several ask for a job each."""
        asked = self.settings(raw)
        each = [
            [(name, value) for value in asked[name]]
            for name, one in self.controls.items()
            if isinstance(one, Drop) and one.each and isinstance(asked.get(name), list)
        ]
        return [{**asked, **dict(chosen)} for chosen in itertools.product(*each)]

    def values(self, settings: Mapping[str, Any]) -> list[Any]:
        """What the components hold for these settings; the defaults where they say nothing."""
        return [one.show(settings.get(name)) for name, one in self.controls.items()]

    def restored(self, saved: Any) -> list[Any]:
        """What the components held when the browser saved it; a setting that is new since has its default."""
        saved = saved if isinstance(saved, Mapping) else {}
        return [saved.get(name, one.show(None)) for name, one in self.controls.items()]
