"""The page as programs call it: settings by their names, and one line for a call that does not fit."""

import json
import re
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI
from gradio_client import Client

from ui.app import mount
from ui.jobs.commands import find_command
from ui.jobs.files import Files
from ui.jobs.queue import Queue
from ui.page.tabs import TABS

DOCS = Path(__file__).resolve().parents[2] / "docs" / "ui.md"
COMMANDS = [tab.command for tab in TABS]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A served page whose queue nobody works off."""
    files = Files(tmp_path_factory.mktemp("calls") / "outputs")
    queue = Queue(files.private / "jobs.db", files)
    app = mount(FastAPI(), queue, files)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield SimpleNamespace(queue=queue, address=address, client=Client(address, verbose=False))
    server.should_exit = True
    thread.join(5)


@pytest.fixture
def client(page):
    return page.client


@pytest.mark.parametrize("command", COMMANDS)
def test_every_argument_has_its_settings_name_and_default(client, command):
    told = client.view_api(return_format="dict")["named_endpoints"][f"/{command}"]["parameters"]
    fields = find_command(command).fields()
    assert [one["parameter_name"] for one in told] == list(fields)
    for one in told:
        default = fields[one["parameter_name"]][0].default
        assert one["parameter_has_default"]
        if isinstance(default, bool | int | float):
            assert str(one["parameter_default"]) == str(default)
        elif isinstance(default, str):
            assert one["parameter_default"] == default
        else:
            assert one["parameter_default"] in (None, "", [])


def test_example_of_the_docs(page, capsys):
    (example,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(example.replace("http://127.0.0.1:7860", page.address), str(DOCS), "exec"), {})
    job = page.queue.list()[-1]
    assert job.id in capsys.readouterr().out
    assert (job.command, job.settings) == (
        "t2v", {"prompt": "a red circle moves right on a gray background", "steps": 20, "seed": 7},
    )  # fmt: skip


def functions(client):
    """Numbers of all functions of the page that the server runs, with how many values each takes."""
    return [
        (one["id"], len(one["inputs"]), one["targets"])
        for one in client.config["dependencies"]
        if one["backend_fn"]
    ]


ODD = [None, True, -1, 2**70, "odd", [], [[]], {}, {"act": []}, {"path": "/etc/passwd"}]


@pytest.mark.parametrize("few", [True, False])
def test_malformed_calls_leave_no_trace(page, client, capfd, few):
    with httpx2.Client(base_url=page.address, timeout=60) as http:
        for number, count, _ in functions(client):
            for odd in ODD[:1] if few else ODD:
                body = '{{"fn_index": {}, "data": {}, "event_data": {}, "session_hash": "calls"}}'
                data = [] if few else [odd] * count
                said = http.post(
                    "/gradio_api/run/predict",
                    content=body.format(number, json.dumps(data), json.dumps(odd)),
                    headers={"content-type": "application/json"},
                )
                assert said.status_code in (200, 404, 422, 500)
    trace = capfd.readouterr().err
    assert re.findall(r"^(?:\w+\.)*\w*(?:Error|Exception)\b.*", trace, re.MULTILINE) == []
    assert "Traceback" not in trace
