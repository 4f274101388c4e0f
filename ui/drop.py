"""The drop zone: files go to the server's own uploads, and the page holds their names in the output folder."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

SCRIPT = Path(__file__).parent / "static" / "drop.js"

_TEMPLATE = """
<label>${label}</label>
<div class="zone" role="button" tabindex="0"><span class="hint"></span><small>${info}</small></div>
<input type="file" hidden>
<div class="held"></div>
<p class="refused" role="alert"></p>
"""
"""Without its value, which the script shows: a name is never read as HTML."""


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
        html_template=_TEMPLATE,
        js_on_load=SCRIPT.read_text(encoding="utf-8"),
        apply_default_css=False,
        label=label,
        elem_id=id,
        elem_classes="drop",
        info=info,
        accept=accept,
        several=several,
        numbered=numbered,
    )
