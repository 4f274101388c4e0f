"""The server backend against a server in a process of its own, good and bad."""

import socket

import pytest

from apps.prompt_rewrite import PromptRewriter
from apps.prompt_rewrite.backends import server as backend
from apps.prompt_rewrite.backends.server import ServerBackend
from shared.errors import InputError, KinoraError, ResourceError

PROMPT = "three orange cats sleep on a roof"
GOOD = "Three orange cats sleep on a roof."


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(backend, "PAUSE", 0.01)


def ask(url, model, *, key=None, timeout=5.0, retries=1, **options):
    return PromptRewriter(ServerBackend(url, model, key, timeout, retries), **options)(PROMPT)


@pytest.mark.parametrize("model", ["good", "whole", "once-busy"])
def test_a_server_rewrites(server, model):
    assert ask(server, model).text == GOOD


def test_a_server_is_told_what_it_lost(server):
    rewrite = ask(server, "revised")
    assert (rewrite.text, rewrite.rounds) == (GOOD, 1)


def test_pieces_are_shown_as_they_come(server):
    pieces = []
    rewriter = PromptRewriter(ServerBackend(server, "good", None, 5, 0))
    rewriter(PROMPT, on_text=pieces.append)
    assert len(pieces) == 7
    assert "".join(pieces).strip() == GOOD


def test_a_key_is_sent_and_a_wrong_one_refused_without_being_told(server):
    assert ask(server, "keyed", key="secret").text == GOOD
    with pytest.raises(InputError, match="refuses the key") as refused:
        ask(server, "keyed", key="wrong-secret")
    assert "wrong-secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("model", "line"),
    [
        ("always-busy", "answers 429 .*2 tries"),
        ("garbage", "does not speak OpenAI's protocol"),
        ("odd", "does not speak OpenAI's protocol"),
        ("half", "broke off in the middle"),
        ("stopped", "broke off in the middle"),
        ("endless", "does not stop"),
        ("one-line", "does not stop"),
        ("empty", "empty answer"),
        ("cut", "was not done after"),
        ("unheard-of", "404 .*check url"),
    ],
)
def test_a_bad_server_is_one_clear_line(server, model, line):
    with pytest.raises(KinoraError, match=line) as error:
        ask(server, model)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("model", ["slow", "silent"])
def test_a_slow_server_is_given_up_in_time(server, model):
    with pytest.raises(ResourceError, match=r"within 0\.3 seconds"):
        ask(server, model, timeout=0.3, retries=0)


def test_a_server_that_is_down_is_named():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ResourceError, match=rf"http://127\.0\.0\.1:{port} cannot be reached.*2 tries"):
        ask(f"http://127.0.0.1:{port}/v1", "good")


def test_the_original_stands_in_for_a_bad_server_only_when_asked(server):
    rewrite = ask(server, "half", fallback=True)
    assert rewrite.text == PROMPT
    assert "broke off" in rewrite.changes[0]


def test_a_password_in_the_address_is_never_printed(server):
    url = server.replace("http://", "http://user:hidden@")
    with pytest.raises(KinoraError) as error:
        ask(url, "garbage")
    assert "hidden" not in str(error.value)
