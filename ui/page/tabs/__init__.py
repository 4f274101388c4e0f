"""The tabs of the page: one module for each command of the table that has one, in the table's order."""

from importlib import import_module

from apps.commands import COMMANDS
from ui.page.tabs.tab import Tab

TABS: tuple[Tab, ...] = tuple(import_module(command.tab).TAB for command in COMMANDS.values() if command.tab)
