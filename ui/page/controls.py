"""Controls: a setting as a browser shows it, chosen by the setting's type; and the drop zone for files."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import gradio as gr

from shared.config import Setting, kinds, text_lines
from ui.page.views import view

if TYPE_CHECKING:
    from gradio.components import Component


LABELS = {"cfg": "CFG", "dtype": "Precision", "lora": "LoRA", "wav": "WAV file", "into": "Into language"}
"""Of settings whose name with a capital would not do."""

HELP = {
    "model": "A model of the list, or the path of a model folder or weights file on this machine",
    "sound_model": "A model of the list, or the path of a folder with weights for sound",
    "music": "Music may be heard",
    "voice": "Somebody may speak",
    "rewrite": "Rewrite the prompt first, in words that the model was trained on",
    "size": "Pixels, multiples of 16; choose a shape or write your own",
    "seconds": "Length in seconds; becomes the nearest 4k + 1 frames",
}
"""Of settings whose line of help is about the command line."""

LONG_TEXTS = ("prompt", "negative_prompt", "sound_prompt")

PICTURES, FILMS, TEXTS = "image/*", "video/*,.mkv", ".txt,.yaml,.yml"
ACCEPTED = dict.fromkeys(("image", "last_image", "keyframe"), PICTURES) | dict.fromkeys(
    ("video", "extend"), FILMS
)
"""What the browser offers for a setting that is a file; texts for all others."""

SIDE_BY_SIDE = 3
"""Choices at most that are shown all at once."""

SAFE_INTEGER = 2**53 - 1
"""The largest whole number that a browser holds exactly."""

UNSET = ""
"""What a component holds where nothing is chosen."""


@dataclass(frozen=True)
class Control:
    """A line of text, from which a setting reads its value; other kinds of control change parts of it.

    Attributes:
        name: of the setting.
        about: its help and bounds.
        default: its JSON value where the user gives none; None where something else decides.
    """

    name: str
    about: Setting
    default: Any = None

    @property
    def help(self) -> str:
        """The setting's line of help as a sentence; a browser has no flags."""
        line = HELP.get(self.name) or _without_flags(self.about.help)
        return line[:1].upper() + line[1:]

    @property
    def unset(self) -> str:
        """What stands in the field where nothing is chosen."""
        return _without_flags(self.about.unset)

    @property
    def label(self) -> str:
        """The setting's name for people."""
        return LABELS.get(self.name, self.name.replace("_", " ").capitalize())

    def draw(self, id: str) -> Component:
        """Make the component, inside of a page.

        Args:
            id: of the element.
        """
        import gradio as gr

        lines, wide = (3, ["wide"]) if self.name in LONG_TEXTS else (1, [])
        about: dict[str, Any] = {
            "lines": lines,
            "max_lines": 4 * lines,
            "elem_classes": wide,
            "placeholder": self.unset,
        }
        return gr.Textbox(self.show(None), label=self.label, info=self.help, elem_id=id, **about)

    def read(self, raw: Any) -> Any:
        """The JSON value of what the component holds; None where it is empty."""
        return None if raw in (None, UNSET) else raw

    def show(self, value: Any) -> Any:
        """What the component holds for a JSON value; the default's for None."""
        value = self.default if value is None else value
        return UNSET if value is None else str(value)


class Digits(Control):
    """A whole number that may be too large for a browser's own."""

    def read(self, raw: Any) -> Any:
        raw = super().read(raw)
        return int(raw) if isinstance(raw, str) and raw.strip().isdecimal() else raw


class Switch(Control):
    """On or off."""

    def draw(self, id: str) -> Component:
        import gradio as gr

        return gr.Checkbox(self.show(None), label=self.label, info=self.help, elem_id=id)

    def show(self, value: Any) -> Any:
        return bool(self.default if value is None else value)


@dataclass(frozen=True)
class Number(Control):
    """A number.

    Attributes:
        whole: whether it has no digits behind the point.
    """

    whole: bool = False

    def draw(self, id: str) -> Component:
        import gradio as gr

        about: dict[str, Any] = {"precision": 0 if self.whole else None, "placeholder": self.unset}
        return gr.Number(self.show(None), label=self.label, info=self.help, elem_id=id, **about)

    def show(self, value: Any) -> Any:
        return self.default if value is None else value


@dataclass(frozen=True)
class Choice(Control):
    """One of several words.

    Attributes:
        options: labels and values.
        open: whether anything else may be written, too.
    """

    options: Sequence[tuple[str, str]] = ()
    open: bool = False

    def draw(self, id: str) -> Component:
        import gradio as gr

        about: dict[str, Any] = {
            "value": self.show(None),
            "label": self.label,
            "info": self.help,
            "elem_id": id,
        }
        if len(self.options) <= SIDE_BY_SIDE and not self.open:
            return gr.Radio(list(self.options), **about)
        return gr.Dropdown(list(self.options), allow_custom_value=self.open, **about)


class Lines(Control):
    """A list, one entry per line."""

    def draw(self, id: str) -> Component:
        import gradio as gr

        about: dict[str, Any] = {"lines": 2, "max_lines": 8, "placeholder": self.about.metavar}
        return gr.Textbox("", label=self.label, info=f"{self.help}; one per line", elem_id=id, **about)

    def read(self, raw: Any) -> Any:
        return [line.strip() for line in text_lines(raw or "") if line.strip()] or None

    def show(self, value: Any) -> Any:
        return "\n".join(map(str, value or ()))


@dataclass(frozen=True)
class Drop(Control):
    """Files of the output folder, by their names in it; what is dropped is uploaded into it.

    Attributes:
        several: whether it holds more than one file.
        numbered: whether each file stands at a frame, written `FRAME=FILE`.
        each: whether several files ask for a job each.
    """

    several: bool = False
    numbered: bool = False
    each: bool = False

    def draw(self, id: str) -> Component:

        accept, several = ACCEPTED.get(self.name, TEXTS), self.several or self.each
        return drop_zone(self.label, self.help, accept, several, self.numbered, id)

    def read(self, raw: Any) -> Any:
        names = [name for name in raw if isinstance(name, str)] if isinstance(raw, list | tuple) else []
        if not names:
            return None
        return names if self.several or (self.each and len(names) > 1) else names[0]

    def show(self, value: Any) -> Any:
        return [] if not value else [value] if isinstance(value, str) else list(value)


def control(
    schema: type[Any],
    name: str,
    field: dataclasses.Field,
    about: Setting,
    choices: Sequence[tuple[str, str]] = (),
    each: bool = False,
) -> Control:
    """The control of a setting.

    Args:
        schema: the request that has it.
        name: of the setting.
        field: as the dataclass has it.
        about: its help and bounds.
        choices: labels and values that a text may take, among others.
        each: whether several files ask for a job each.
    """
    taken, default = kinds(schema, name), field.default
    words = [word for kind in taken if typing.get_origin(kind) is Literal for word in typing.get_args(kind)]
    common = (name, about, default)
    if choices:
        return Choice(*common, options=choices, open=True)
    if words:
        free = [] if default is not None else [(_without_flags(about.unset) or "not set", UNSET)]
        only_words = all(typing.get_origin(kind) is Literal for kind in taken)
        return Choice(*common, options=[*free, *((word, word) for word in words)], open=not only_words)
    if typing.get_origin(taken[0]) is tuple:
        if name in ACCEPTED:
            return Drop(name, about, several=True, numbered=True)
        return Lines(name, about)
    if taken == (Path,):
        return Drop(name, about, each=each)
    if taken == (bool,):
        return Switch(*common)
    if taken in ((int,), (float,)):
        too_large = (about.maximum or 0) > SAFE_INTEGER
        return Digits(*common) if too_large else Number(*common, whole=taken == (int,))
    return Control(*common)


def _without_flags(line: str) -> str:
    return line.replace("--", "").replace("`", "")


SCRIPT = Path(__file__).parent / "static" / "drop.js"


def drop_zone(label: str, info: str, accept: str, several: bool, numbered: bool, id: str) -> gr.HTML:
    """A component that holds a list of names, or of `FRAME=NAME`.

    Args:
        label: in few words.
        info: in one line.
        accept: kinds of files, as HTML's input has them.
        several: more than one file.
        numbered: with a frame each.
        id: of the element.
    """
    return gr.HTML(
        value=[],
        html_template=view("drop", label=label, info=info, accept=accept, several=several, numbered=numbered),
        js_on_load=SCRIPT.read_text(encoding="utf-8"),
        apply_default_css=False,
        elem_id=id,
        elem_classes="drop",
    )
