"""Every field of a tab is a flag and an HTTP field: the three are made from one schema, and this compares them."""

import pytest

from apps.commands import COMMANDS as ALL
from shared.config import parser
from ui.api.schemas import command_schema
from ui.client.remote import with_server
from ui.jobs.commands import HOSTED, job_commands
from ui.page import forms

COMMANDS = job_commands()
NAMES = [name for name in COMMANDS if name != "fake"]


def flags(name):
    """The settings that `kinora NAME --help` lists."""
    schema = COMMANDS[name].schema()
    made = parser(with_server(schema) if ALL[name].main is None else schema, name, "")
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


def test_every_command_that_makes_files_is_a_job_and_has_a_tab():
    assert set(NAMES) == {name for name, command in ALL.items() if command.tab}
    assert {name for name, command in ALL.items() if command.main is None} - {"fake"} < set(NAMES)
