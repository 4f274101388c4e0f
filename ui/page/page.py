"""The page: tabs with forms, the gallery, and at their side the stage and the queue. Gradio draws it."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from shared.config import shorten
from shared.errors import InputError, WeightsError
from shared.toybox.scenes.vocabulary import BACKGROUNDS, COLORS, MATERIALS, MOTIONS, SHAPES
from ui.jobs import Queue
from ui.jobs.commands import find_command
from ui.jobs.files import Files
from ui.jobs.results import Results
from ui.page.calls import Blocks, name_parameters, read_press, read_text, refusing
from ui.page.forms import Form
from ui.page.gallery import Gallery, Shown
from ui.page.models import (
    DECIDED,
    PICTURED,
    STARTER,
    check_starter,
    choices,
    defaults,
    describe_beyond,
    placeholders,
    sizes,
)
from ui.page.panel import Panel
from ui.page.tabs import TABS
from ui.page.tabs.tab import Tab
from ui.page.views import view

STATIC = Path(__file__).parent / "static"
EXAMPLES = Path(__file__).parents[1] / "examples"
EXAMPLE = "example:"
GALLERY = "gallery"

TOYBOX = {
    "shapes": SHAPES,
    "colours": tuple(COLORS),
    "backgrounds": tuple(BACKGROUNDS),
    "motions": MOTIONS,
    "sounds": MATERIALS,
}
"""Words that the starter weights were trained on."""

EVERY = 1.0
"""Seconds between two looks at the queue."""

QUIET: dict[str, Any] = {"show_progress": "hidden", "queue": False, "api_visibility": "private"}
"""Of events that are no command."""

FOLLOWED = ("cancel", "pause", "go_on")
"""Buttons whose job is what one wants to see next."""

PRESS: dict[str, Any] = {**QUIET, "trigger_mode": "multiple"}
"""Of buttons in a view. By default Gradio drops a press that comes while one is under way, and its queue can lose the
answer to a press that comes while it closes the stream of the one before."""

_KEEP = "(...values) => Object.fromEntries({names}.map((name, place) => [name, values[place]]))"


class Page:
    """The page of one queue."""

    def __init__(self, queue: Queue, files: Files) -> None:
        self.queue, self.files = queue, files
        self.tabs = TABS
        self._kept: dict[str, str] = {}
        self._fills: list[tuple[Callable[[dict[str, Any] | None], list[Any]], list[Any]]] = []
        results = Results(files)
        self.panel = Panel(queue, results, self.tabs)
        self.gallery = Gallery(self.panel, results, self.tabs)

    def draw(self) -> gr.Blocks:
        """Make the page."""
        with Blocks(title="Kinora", analytics_enabled=False, fill_width=True) as page:
            self.asked = gr.State(None)
            self.chosen = gr.State("")
            self.tab = gr.BrowserState(self.tabs[0].command, storage_key="kinora-tab", secret="kinora")
            _html("header", view("header"), elem_id="header")
            with gr.Row(elem_id="body"):
                with gr.Column(scale=7, min_width=420, elem_id="work"), gr.Tabs(elem_id="tabs") as self.drawn:
                    for tab in self.tabs:
                        self._draw_tab(tab, page)
                    self._draw_gallery(page)
                with gr.Column(scale=5, min_width=380, elem_id="side"):
                    self._draw_side(page)
            page.load(self._open, self.tab, self.drawn, **QUIET)
        return page

    def _hand_over(self, press: Any) -> None:
        """After a press that asks for new contents of a form, fill it and open its tab."""
        fills, outputs = zip(*self._fills, strict=True)

        def fill(asked: dict[str, Any] | None) -> list[Any]:
            opened = self._open(None if asked is None else asked["command"])
            return [opened, *itertools.chain.from_iterable(one(asked) for one in fills)]

        told = [self.drawn, *itertools.chain.from_iterable(outputs)]
        press.success(fill, self.asked, told, **PRESS)

    def _open(self, tab: Any) -> Any:
        """The tabs with one of them open; as they are where it is unknown."""
        known = [*(one.command for one in self.tabs), GALLERY]
        return gr.Tabs(selected=tab) if tab in known else gr.skip()

    # -- a command's tab -----------------------------------------------------------------------------------

    def _draw_tab(self, tab: Tab, page: gr.Blocks) -> None:
        said = defaults(STARTER.name, tab.part) if tab.models else None
        offered = {name: choices(known) for name, known in tab.models.items()}
        if "size" in find_command(tab.command).fields():
            offered["size"] = sizes(said)
        form = Form(tab.command, offered, tab.each, placeholders(said) if said else {})
        with gr.Tab(tab.title, id=tab.command) as drawn:
            gr.HTML(
                view("lead", lead=tab.lead, missing=_missing(tab), knows=TOYBOX if tab.models else {}),
                elem_classes="lead",
            )
            examples = gr.Dataset(
                components=["textbox"], samples=[[title] for title in tab.examples], type="index",
                show_label=False, layout="gallery", elem_classes="examples", render=False,
            )  # fmt: skip
            components = form.draw(tab.everyday, examples.render)
            with gr.Row(elem_classes="start"):
                button = gr.Button(tab.button, variant="primary", size="lg", elem_id=f"{tab.command}-start")
                leave = gr.Button("Leave as it was", visible=False, size="lg", elem_id=f"{tab.command}-leave")
            editing, submitted = gr.State(None), gr.JSON(visible=False)  # the latter for programs
            self._remember(form, components, page)
            self._follow_model(form, tab)
        buttons = [editing, button, leave]

        @refusing
        def start(job: str | None, *raw: Any) -> Any:
            return [self._start(form, tab, job, raw), "", *_buttons(tab, None)]

        name_parameters(start, ["job", *form.controls])

        def fill(asked: dict[str, Any] | None) -> list[Any]:
            if asked is None or asked["command"] != tab.command:
                return [gr.skip()] * (len(components) + len(buttons))
            return [*form.values(asked["settings"]), *_buttons(tab, asked["editing"])]

        @refusing
        def try_out(index: int) -> list[Any]:
            if not (isinstance(index, int) and 0 <= index < len(tab.examples)):
                raise InputError(f"{tab.title} has no example {shorten(index)}")
            settings = dict(list(tab.examples.values())[index])
            return form.values({name: self._example(value) for name, value in settings.items()})

        gr.on(
            [button.click, *_submits(components)],
            start,
            [editing, *components],
            [submitted, self.chosen, *buttons],
            api_name=tab.command,
            api_description=tab.lead,
            show_progress="hidden",
            concurrency_limit=None,
            trigger_mode="multiple",  # a click on a busy machine is never lost
        )
        leave.click(lambda: _buttons(tab, None), None, buttons, **QUIET)
        examples.click(try_out, examples, components, **QUIET, trigger_mode="always_last")
        self._fills.append((fill, [*components, *buttons]))
        drawn.select(None, None, self.tab, js=f"() => {json.dumps(tab.command)}", api_visibility="private")

    def _start(self, form: Form, tab: Tab, editing: str | None, raw: tuple[Any, ...]) -> list[str]:
        """Queue what a form asks for, all of it or nothing; or change the job that it belongs to."""
        form.check(form.settings(raw), tab.needs)
        asked = form.jobs(raw)
        if editing is not None:
            if len(asked) != 1:
                raise InputError(f"a waiting job takes one file, not {len(asked)}")
            return [self.queue.edit(editing, asked[0]).id]
        for settings in asked:
            find_command(form.command).request(settings, self.files.path)
        ids = [self.queue.submit(form.command, settings).id for settings in asked]
        beyond = describe_beyond(asked[0], tab.part) if tab.part in PICTURED else None
        if beyond is not None:
            gr.Warning(beyond, title="Words that the model does not know", duration=12)
        return ids

    def _remember(self, form: Form, components: list[Any], page: gr.Blocks) -> None:
        """Keep what a form holds in the browser, without asking the server, and bring it back after a reload."""
        saved = gr.BrowserState(None, storage_key=f"kinora-{form.command}", secret="kinora")
        keep = _KEEP.format(names=json.dumps(list(form.controls)))
        gr.on([one.change for one in components], None, components, saved, js=keep, api_visibility="private")
        page.load(form.restored, saved, components, **QUIET)

    def _follow_model(self, form: Form, tab: Tab) -> None:
        """Show in the fields what the chosen model decides."""
        drawn = dict(zip(form.controls, form.components, strict=True))
        numbers = [name for name in DECIDED if name in drawn]
        if "size" not in drawn:
            return

        def show(name: str) -> list[Any]:
            said = defaults(name, tab.part)
            held = placeholders(said)
            return [gr.update(choices=sizes(said)), *(gr.update(placeholder=held[one]) for one in numbers)]

        model: Any = drawn["model"]
        model.change(show, model, [drawn[name] for name in ("size", *numbers)], **QUIET)

    def _example(self, value: Any) -> Any:
        """An example's setting; a file of ours is put among the uploads, once."""
        if not (isinstance(value, str) and value.startswith(EXAMPLE)):
            return value
        if value not in self._kept:
            file = EXAMPLES / value.removeprefix(EXAMPLE)
            self._kept[value] = self.files.keep(file, file.name)
        return self._kept[value]

    # -- the side ------------------------------------------------------------------------------------------

    def _draw_side(self, page: gr.Blocks) -> None:
        stage = _html("acts", elem_id="stage")
        lane = _html("acts", elem_id="lane")
        seen = gr.State(-1)

        def look(chosen: str, version: int) -> list[Any]:
            now = self.queue.version()
            if now == version:
                return [gr.skip()] * 3
            return [self.panel.stage(chosen), self.panel.lane(chosen), now]

        def look_again(chosen: str) -> list[Any]:
            return look(chosen, -1)

        @refusing
        def act(chosen: str, event: gr.EventData) -> list[Any]:
            press = read_press(event)
            if press.act == "choose":
                return [press.id, None]
            asked = self.panel.act(press.act, press.id, press.to)
            seen = press.id if press.act in FOLLOWED else chosen
            return [seen, asked and dataclasses.asdict(asked)]

        views = [stage, lane, seen]
        for one in (stage, lane):
            press = one.act(act, self.chosen, [self.chosen, self.asked], **PRESS)
            press.then(look_again, self.chosen, views, **PRESS)
            self._hand_over(press)
        gr.Timer(EVERY).tick(look, [self.chosen, seen], views, **QUIET)
        page.load(look_again, self.chosen, views, **QUIET)

    # -- the gallery ---------------------------------------------------------------------------------------

    def _draw_gallery(self, page: gr.Blocks) -> None:
        with gr.Tab("Gallery", id=GALLERY) as drawn:
            apps = [("All", ""), *((tab.title, tab.command) for tab in self.tabs)]
            filtered = gr.Radio(apps, value="", show_label=False, container=False, elem_classes="filter")
            words = gr.Textbox(placeholder="Search", label="Search", show_label=False, max_lines=1)
            grid = _html("acts", elem_id="gallery")
            shown = gr.State(Shown())

        def show(now: Shown) -> str:
            return self.gallery.show(now)

        @refusing
        def act(now: Shown, event: gr.EventData) -> list[Any]:
            press = read_press(event)
            then, asked = self.gallery.act(press.act, press.id, press.to, now)
            if press.act == "rerun":  # changes nothing here, and may be answered after the press that follows
                return [gr.skip(), gr.skip(), None]
            return [then, self.gallery.show(then), asked and dataclasses.asdict(asked)]

        @refusing
        def choose(command: Any, words: Any) -> list[Any]:
            now = Shown(read_text(command), words=read_text(words))
            return [now, self.gallery.show(now)]

        self._hand_over(grid.act(act, shown, [shown, grid, self.asked], **PRESS))
        gr.on([filtered.change, words.change], choose, [filtered, words], [shown, grid], **QUIET)
        drawn.select(show, shown, grid, **QUIET)
        drawn.select(None, None, self.tab, js=f"() => {json.dumps(GALLERY)}", api_visibility="private")
        page.load(show, shown, grid, **QUIET)


def _html(script: str, value: str = "", **about: Any) -> gr.HTML:
    """A view with its script."""
    code = (STATIC / f"{script}.js").read_text(encoding="utf-8")
    return gr.HTML(value, js_on_load=code, apply_default_css=False, **about)


def _buttons(tab: Tab, editing: str | None) -> list[Any]:
    """Which job a form belongs to, and what its buttons say then."""
    return [
        editing,
        gr.Button("Save the change" if editing else tab.button),
        gr.Button(visible=editing is not None),
    ]


def _missing(tab: Tab) -> str:
    try:
        check_starter(tab.part)
    except WeightsError as error:
        return str(error)
    return ""


def _submits(components: list[Any]) -> list[Callable[..., Any]]:
    """Enter in a text starts, too; with Shift where it has several lines."""
    return [one.submit for one in components if isinstance(one, gr.Textbox)]
