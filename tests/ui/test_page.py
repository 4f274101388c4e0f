"""The page as it is served: no other host in it, no torch behind it, and forms that queue jobs."""

import re
import subprocess
import sys

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from ui.app import mount


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    from ui.jobs.files import Files
    from ui.jobs.queue import Queue

    files = Files(tmp_path_factory.mktemp("page") / "outputs")
    queue = Queue(files.private / "jobs.db", files)
    with TestClient(mount(FastAPI(), queue, files), base_url="http://127.0.0.1") as client:
        yield client, queue, files


def test_page_names_no_other_host(served):
    client, *_ = served
    page, theme = client.get("/"), client.get("/theme.css")
    assert page.status_code == theme.status_code == 200
    for text in (page.text, theme.text):
        hosts = set(re.findall(r"https?://([^/\s\"'\\)]+)", text))
        assert hosts <= {"127.0.0.1", "www.w3.org"}, hosts  # the latter names SVG, and is never asked
    assert "@import" not in theme.text and "@font-face" not in theme.text


def test_browser_may_ask_nobody_else(served):
    client, *_ = served
    policy = client.get("/").headers["content-security-policy"]
    assert "default-src 'self'" in policy and "connect-src 'self'" in policy and "http" not in policy


def test_analytics_are_off(served):
    client, *_ = served
    assert client.get("/config").json()["analytics_enabled"] is False


@pytest.mark.parametrize("path", ["pyproject.toml", "/etc/passwd"])
def test_gradio_serves_no_files(served, path):
    client, *_ = served
    for route in ("/gradio_api/file=", "/file="):
        assert client.get(f"{route}{path}").status_code in (403, 404)


def test_gradio_takes_no_uploads(served):
    client, *_ = served
    answer = client.post("/gradio_api/upload", files={"files": ("a.png", b"x" * 1000)})
    assert answer.status_code == 413


def test_page_of_a_server_that_was_restarted_is_told_so_without_a_trace(served, capfd):
    client, *_ = served
    answer = client.get("/gradio_api/queue/data", params={"session_hash": "old"})
    assert answer.status_code == 200 and '"session_not_found":true' in answer.text
    assert "Traceback" not in capfd.readouterr().err


def test_no_press_is_dropped_while_another_is_under_way(served):
    """Gradio's own setting, `once`, ignores a second press; its queue can lose the answer to one."""
    client, *_ = served
    events = client.get("/config").json()["dependencies"]
    acts = [event for event in events if any(name == "act" for _, name in event["targets"])]
    assert len(acts) == 3
    assert {(event["trigger_mode"], event["queue"]) for event in acts} == {("multiple", False)}


def test_every_tab_of_a_command_is_there(served):
    client, *_ = served
    names = {one["api_name"] for one in client.get("/config").json()["dependencies"]}
    assert {"t2v", "i2v", "v2a", "rewrite", "film"} <= names


SERVING = """
import sys
asked = []
watched = ("socket.connect", "socket.getaddrinfo", "socket.sendto")
sys.addaudithook(lambda event, about: asked.append(event) if event in watched else None)

from pathlib import Path
from fastapi import FastAPI
from fastapi.testclient import TestClient
from ui.app import mount
from ui.jobs.files import Files
from ui.jobs.queue import Queue

files = Files(Path(sys.argv[1]))
app = mount(FastAPI(), Queue(files.private / "jobs.db", files), files)
with TestClient(app, base_url="http://127.0.0.1") as client:
    assert client.get("/").status_code == 200
print(asked, [name for name in ("torch", "transformers", "diffusers") if name in sys.modules])
"""


def test_server_connects_to_nobody_and_torch_stays_out_of_its_process(tmp_path):
    told = subprocess.run(
        [sys.executable, "-c", SERVING, tmp_path], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "[] []"
