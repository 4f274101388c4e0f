"""The drop zone: files go to the server's own uploads, and the page holds their names in the output folder.

Its script shows the names, which are never read as HTML. What else it knows stands in its template: Gradio forgets a
component's own properties when an event leaves the component as it is.
"""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from ui.views import view

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
