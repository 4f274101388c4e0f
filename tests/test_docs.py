"""What README and docs say can be followed: links resolve, commands are accepted, snippets name what exists."""

import ast
import re
import shlex
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from apps import cli
from apps.commands import recipes
from foundation.training.cli import read_settings
from shared.config import Parser

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "apps/prompt_rewrite/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
MAP = ROOT / "docs" / "architecture.md"
"""Its blocks name modules beside commands: diagrams, nothing to type."""

FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://)(?P<path>[^)#\s]+)(?:#[^)]*)?\)")
LAUNCHER = re.compile(r"^(?:\$ |[A-Z_]+=\S+ |torchrun .*?(?=kinora )|accelerate launch .*?(?=kinora ))*")


def name_of(value):
    return str(value.relative_to(ROOT)) if isinstance(value, Path) else None


def blocks(page, *languages):
    return [m["text"] for m in FENCE.finditer(page.read_text(encoding="utf-8")) if m["language"] in languages]


def commands(page):
    """The words behind `kinora` of every command in a page's blocks."""
    text = "\n".join(blocks(page, "", "sh", "bash")).replace("\\\n", " ")
    typed = [LAUNCHER.sub("", line, count=1) for line in text.splitlines()]
    return [
        shlex.split(line.split(" > ")[0], comments=True)[1:]
        for line in typed
        if line.startswith("kinora ") and not line.startswith("kinora: ")
    ]


COMMANDS = [
    pytest.param(words, id=f"{name_of(page)}: {' '.join(words)}")
    for page in PAGES
    if page != MAP
    for words in commands(page)
]
SNIPPETS = [
    pytest.param(text, id=f"{name_of(page)}-{number}")
    for page in PAGES
    for number, text in enumerate(blocks(page, "python"))
]


class Accepted(Exception):
    """A command line was read without a refusal."""


@pytest.fixture
def reading_only(monkeypatch):
    """Commands read their flags and values as ever, and stop there."""
    read = Parser.read

    def read_and_stop(self, argv):
        raise Accepted(read(self, argv))

    monkeypatch.setattr(Parser, "read", read_and_stop)


def test_pages_have_commands_and_snippets():
    assert len(COMMANDS) > 80
    assert len(SNIPPETS) > 8


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_resolve(page):
    paths = [match["path"] for match in LINK.finditer(page.read_text(encoding="utf-8"))]
    assert [path for path in paths if not (page.parent / path).exists()] == []


@pytest.mark.parametrize("words", COMMANDS)
def test_commands_are_accepted(words, reading_only):
    if words[0] == "train":
        assert words[1] in recipes()
        read_settings(words[1], words[2:], recipes())
    else:
        with pytest.raises(Accepted):
            cli.dispatch(words)


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_snippets_name_only_what_exists(snippet):
    for node in ast.walk(ast.parse(snippet)):
        if isinstance(node, ast.Import):
            assert all(find_spec(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = import_module(node.module)
            assert all(hasattr(module, alias.name) for alias in node.names)
    undefined = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821,F811", "-"]
    checked = subprocess.run(undefined, input=snippet, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
