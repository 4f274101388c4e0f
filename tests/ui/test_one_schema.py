"""Every field of a tab is a flag and an HTTP field: the three are made from one schema, and this compares them."""

import pytest

from shared.config import parser
from ui.api.schemas import command_schema
from ui.cli import HERE
from ui.client.remote import with_server
from ui.jobs.commands import COMMANDS, HOSTED
from ui.page import forms

NAMES = [name for name in COMMANDS if name != "fake"]


def flags(name):
    """The settings that `kinora NAME --help` lists."""
    schema = COMMANDS[name].schema()
    made = parser(with_server(schema) if name in HERE else schema, name, "")
    return {action.dest for action in made._actions} - {"help", "debug", "server"}


@pytest.mark.parametrize("name", NAMES)
def test_flags_http_fields_and_form_agree(name):
    http = set(command_schema(COMMANDS[name])["properties"])
    assert flags(name) - http == set(HOSTED) & flags(name)
    assert http <= flags(name)
    assert set(forms.Form(name).controls) == set(forms.fields(name)) == http


@pytest.mark.parametrize("name", NAMES)
def test_http_says_the_same_of_a_field_as_help_does(name):
    for field, about in command_schema(COMMANDS[name])["properties"].items():
        setting = COMMANDS[name].fields()[field][1]
        assert about["description"].startswith(setting.help)
        assert (about.get("minimum"), about.get("maximum")) == (setting.minimum, setting.maximum)


def test_every_generating_command_of_the_command_line_is_a_job():
    from apps.cli import COMMANDS as ALL

    of_the_line = {name for name, command in ALL.items() if command.module == "ui.cli"}
    assert of_the_line == set(HERE)
    assert of_the_line < set(NAMES)
