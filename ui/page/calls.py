"""Calls from browsers and programs: what does not fit the page is refused in one line."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from shared.config import shorten
from shared.errors import InputError, KinoraError, first_line


class Blocks(gr.Blocks):
    """Gradio's page, which answers a call with values of the wrong kind or number in one line, without a trace."""

    async def process_api(self, *arguments: Any, **named: Any) -> dict[str, Any]:
        """See Gradio. Its refusals of files and choices are logged as little as ours."""
        try:
            return await super().process_api(*arguments, **named)
        except gr.Error as error:
            error.print_exception = False
            raise

    async def preprocess_data(self, *arguments: Any, **named: Any) -> Any:
        """See Gradio. Everything that fails here comes from the call's own values.

        Raises:
            gr.Error: the values do not fit the components.
        """
        try:
            return await super().preprocess_data(*arguments, **named)
        except Exception as error:
            reason = first_line(error.__cause__ or error)
            raise refused(f"the values do not fit this form: {reason}") from None


@dataclass(frozen=True)
class Press:
    """A button that was pressed in a view.

    Attributes:
        act: the button's word.
        id: of the job, or the name of the result, that it belongs to.
        to: the command that a result is sent to.
    """

    act: str
    id: str
    to: str = ""


def read_press(event: gr.EventData) -> Press:
    """The button that an event is about.

    Raises:
        InputError: the event names none.
    """
    told = event._data
    if not isinstance(told, dict):
        raise InputError(f"a button's event is a mapping with act and id, not {shorten(told)}")
    values = {name: told.get(name) for name in ("act", "id")} | {"to": told.get("to", "")}
    for name, value in values.items():
        if not isinstance(value, str):
            raise InputError(f"a button's {name} is text, not {shorten(value)}")
    return Press(**values)


def read_text(value: Any) -> str:
    """A field's value that a browser sends as text.

    Raises:
        InputError: it is something else.
    """
    if not isinstance(value, str):
        raise InputError(f"a field of the page holds text, not {shorten(value)}")
    return value


def refusing(handler: Callable[..., Any]) -> Callable[..., Any]:
    """A handler whose refusals are shown in one line."""

    @functools.wraps(handler)
    def answer(*values: Any) -> Any:
        try:
            return handler(*values)
        except KinoraError as error:
            raise refused(str(error)) from None

    return answer


def refused(line: str) -> gr.Error:
    """A refusal as Gradio shows it."""
    return gr.Error(line, title="Refused", duration=12, print_exception=False)


def name_parameters(handler: Callable[..., Any], names: Sequence[str]) -> None:
    """Name the parameters of a handler that takes any number of values, for programs that call it by name.

    Args:
        handler: is changed in place.
        names: of all parameters, in order; each is optional.
    """
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(name, kind, default=None) for name in names]
    vars(handler)["__signature__"] = inspect.Signature(parameters)
