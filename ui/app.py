"""`kinora ui`: the server of `kinora serve` with the page at its root."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from shared.console import run

if TYPE_CHECKING:
    from fastapi import FastAPI

    from ui.jobs import Queue
    from ui.jobs.files import Files


def main(argv: list[str]) -> None:
    """Serve the page, until Ctrl-C.

    Raises:
        KinoraError: a flag, the port, the database or the output folder is refused.
    """
    from ui import server

    server.serve(server.read(argv, "kinora ui", "The page in a browser, and jobs over HTTP."), mount)


def mount(app: FastAPI, queue: Queue, files: Files) -> FastAPI:
    """The server's app with the page at its root.

    Args:
        app: has its other routes already.
        queue: what the page shows.
        files: the output folder of it.
    """
    import gradio as gr

    from ui.page.csp import ContentSecurityPolicy
    from ui.page.page import Page
    from ui.page.theme import STYLE, theme

    page = Page(queue, files).draw()
    app.add_middleware(ContentSecurityPolicy)
    return gr.mount_gradio_app(
        app,
        page,
        path="/",
        theme=theme(),
        css_paths=STYLE,
        footer_links=[],
        run_history=False,
        max_file_size=1,  # uploads go to the server's own route, which decodes them
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        enable_monitoring=False,
    )


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
