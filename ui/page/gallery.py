"""The gallery: every result of the output folder with its receipt, and what its buttons do."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from ui.jobs.results import Results
from ui.page import reuse
from ui.page.panel import Panel
from ui.page.tabs.tab import Tab
from ui.page.views import view

A_PAGE = 24


@dataclass(frozen=True)
class Shown:
    """What of the gallery is shown.

    Attributes:
        command: whose results; '' for all.
        count: how many at most.
        picked: the name of the one that is seen large.
        words: that titles or names must have, in any case; '' for all.
    """

    command: str = ""
    count: int = A_PAGE
    picked: str = ""
    words: str = ""


class Gallery:
    """What the gallery shows of an output folder, and what its buttons do."""

    def __init__(self, panel: Panel, results: Results, tabs: tuple[Tab, ...]) -> None:
        self.panel, self.results = panel, results
        self.apps = {tab.command: tab.title for tab in tabs}

    def show(self, shown: Shown) -> str:
        """The results as HTML."""
        found, more = self.results.page(shown.command or None, shown.count, shown.words)
        return view(
            "gallery",
            results=found,
            more=more,
            picked=self.results.find(shown.picked) if shown.picked else None,
            apps=self.apps,
            targets=self.panel.targets,
        )

    def act(self, act: str, name: str, to: str, shown: Shown) -> tuple[Shown, reuse.Asked | None]:
        """Do what a button says.

        Args:
            act: the button's word.
            name: of the result that it belongs to.
            to: the command that the result is sent to.
            shown: what is shown now.

        Returns:
            What is shown then, and new contents for a form where the button asks for them.

        Raises:
            InputError: it cannot be done.
        """
        if act == "pick":
            return dataclasses.replace(shown, picked=name), None
        if act == "unpick":
            return dataclasses.replace(shown, picked=""), None
        if act == "more":
            return dataclasses.replace(shown, count=shown.count + A_PAGE), None
        if act == "remove":
            self.results.delete(name)
            return dataclasses.replace(shown, picked="" if shown.picked == name else shown.picked), None
        if act == "rerun":
            self.panel.repeat(name)
            return shown, None
        return shown, self.panel.act(act, name, to)
