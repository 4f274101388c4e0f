"""`--server URL`: the command line against a real server, with a command that needs no model."""

import subprocess
import sys
import threading

import pytest
from fake_commands import FakeRequest
from servers import FAKE, Server, serving

from apps.commands import COMMANDS
from shared.config import from_argv
from shared.errors import InputError, ResourceError
from ui import cli
from ui.client.client import Client
from ui.client.remote import carry_out, with_server
from ui.jobs.commands import find_command, job_commands


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(FAKE, tmp_path_factory.mktemp("served") / "outputs") as running:
        yield running


def run(server, *flags):
    words = [*map(str, flags), "--server", server.address]
    carry_out(find_command("fake"), from_argv(with_server(FakeRequest), words, "fake", ""))


def test_the_result_comes_to_out_and_what_was_said_aloud_is_said_here(server, tmp_path, capsys):
    run(server, "--prompt", "hello", "--seed", 3, "--out", tmp_path)
    run(server, "--prompt", "again", "--seed", 3, "--out", tmp_path)
    run(server, "--prompt", "named", "--out", tmp_path / "named.txt")
    printed = capsys.readouterr()
    paths = [tmp_path / name for name in ("fake-seed3.txt", "fake-seed3-2.txt", "named.txt")]
    assert printed.out.splitlines() == [str(path) for path in paths]
    assert [path.read_text().split()[0] for path in paths] == ["hello", "again", "named"]
    assert "kinora: seed 3\n" in printed.err


def test_files_are_sent_along(server, tmp_path):
    picture = tmp_path / "words.txt"
    picture.write_text("one")
    run(server, "--image", picture, "--out", tmp_path / "made")
    with pytest.raises(InputError, match="cannot be read"):
        run(server, "--image", tmp_path / "missing.png", "--out", tmp_path)
    with pytest.raises(InputError, match="is a folder"):
        run(server, "--image", tmp_path, "--out", tmp_path)


def test_a_failure_there_is_one_line_here(server, tmp_path):
    with pytest.raises(InputError, match=r"^no such cat$"):
        run(server, "--fails", "no such cat", "--out", tmp_path)


def test_a_server_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(ResourceError, match="cannot be reached"), Client("http://127.0.0.1:9", 0) as client:
        client.submit("fake", {})
    with pytest.raises(InputError, match=r"server must be like http://127\.0\.0\.1:7860"):
        Client("ftp://nowhere")


def test_a_job_is_watched_over_a_restart_of_its_server(tmp_path):
    first = Server(FAKE, tmp_path / "served")
    failed = []

    def watch():
        try:
            run(first, "--prompt", "hello", "--steps", 60, "--pace", 0.05, "--out", tmp_path / "a.txt")
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=watch)
    thread.start()
    while not (jobs := first.client.get("/api/jobs").json()) or jobs[0]["state"] != "running":
        pass
    first.kill()
    with serving(FAKE, tmp_path / "served", port=first.port):
        thread.join(100)
    first.close()
    assert not failed
    assert (tmp_path / "a.txt").read_text() == f"hello {jobs[0]['id']}\n"


@pytest.mark.parametrize(
    "name", [name for name, command in COMMANDS.items() if command.main is None and command.tab]
)
def test_every_generating_command_offers_a_server(name, capsys):
    with pytest.raises(SystemExit):
        cli.generate(name, ["--help"])
    shown = capsys.readouterr().out
    assert "--server" in shown
    assert "--prompt" in shown


def test_the_flag_is_no_field_of_a_job():
    assert not any("server" in command.fields() for command in job_commands().values())


def test_a_server_on_the_command_line_refuses_like_any_other_flag():
    words = [sys.executable, "-m", "apps.cli", "t2v", "--server", "nowhere", "--prompt", "a"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "server must be like" in done.stderr
