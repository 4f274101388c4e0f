"""The server over HTTP, with a command that needs no model."""

import asyncio
import contextlib
import errno
import io
import itertools
import json
import logging
import os
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import wave
from pathlib import Path
from types import SimpleNamespace

import httpx2
import pytest
from PIL import Image
from servers import FAKE, Server, serving

from shared.errors import InputError
from ui.api.schemas import command_schema
from ui.jobs.commands import job_commands


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(FAKE, tmp_path_factory.mktemp("served") / "outputs") as running:
        yield running


def png(color="red", size=(32, 32)):
    data = io.BytesIO()
    Image.new("RGB", size, color).save(data, "PNG")
    return data.getvalue()


def wav():
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\0\1" * 800)
    return data.getvalue()


def upload(server, data, name):
    return server.client.post("/api/uploads", files={"file": (name, data)})


def test_a_job_is_submitted_watched_and_its_result_fetched(server):
    job = server.submit("fake", {"prompt": "hello", "steps": 5, "pace": 0.05})
    seen = list(server.events(job["id"]))
    assert seen[-1]["state"] == "done"
    assert any(one["progress"]["stage"] == "waiting" and one["progress"]["total"] == 5 for one in seen)
    result = server.client.get(f"/api/jobs/{job['id']}/results/0")
    assert result.text == f"hello {job['id']}\n"
    assert server.client.get(f"/api/files/{seen[-1]['results'][0]}").text == result.text
    assert server.client.get(f"/api/jobs/{job['id']}/results/1").status_code == 404


def test_jobs_are_listed_edited_copied_moved_and_deleted_while_one_runs(server):
    busy = server.submit("fake", {"steps": 100, "pace": 0.05})
    server.wait(busy["id"], "running")
    a, b = (server.submit("fake", {"prompt": word})["id"] for word in "ab")
    edited = server.client.patch(f"/api/jobs/{a}", json={"prompt": "c"}).json()
    assert edited["settings"] == {"prompt": "c"}
    assert edited["seed"] is not None
    copy = server.client.post(f"/api/jobs/{b}/copy").json()["id"]
    server.client.post(f"/api/jobs/{copy}/move", json={"place": 0})
    waiting = server.client.get("/api/jobs", params={"state": "queued"}).json()
    assert [job["id"] for job in waiting] == [copy, a, b]
    assert server.client.delete(f"/api/jobs/{b}").status_code == 204
    assert server.client.get(f"/api/jobs/{b}").status_code == 404
    refused = server.client.post(f"/api/jobs/{busy['id']}/move", json={"place": 0})
    assert (refused.status_code, list(refused.json())) == (409, ["error"])
    server.client.post(f"/api/jobs/{busy['id']}/cancel")
    assert server.wait(busy["id"])["state"] == "cancelled"
    assert server.wait(a)["state"] == "done"
    assert server.wait(copy)["state"] == "done"


def test_a_paused_job_goes_on(server):
    job = server.submit("fake", {"steps": 60, "pace": 0.02})["id"]
    server.wait(job, "running")
    server.client.post(f"/api/jobs/{job}/pause")
    server.wait(job, "paused")
    server.client.post(f"/api/jobs/{job}/go-on")
    assert server.wait(job)["state"] == "done"


@pytest.mark.parametrize(("name", "data"), [("a cat.PNG", png()), ("a.wav", wav()), ("p.txt", b"one\ntwo")])
def test_an_upload_is_kept_under_a_name_for_settings(server, name, data):
    answer = upload(server, data, name)
    assert answer.status_code == 201
    kept = answer.json()["name"]
    assert kept.startswith("uploads/")
    assert server.client.get(f"/api/files/{kept}").content == data
    job = server.submit("fake", {"image": kept})
    assert server.wait(job["id"])["state"] == "done"


@pytest.mark.parametrize(
    ("name", "data", "line"),
    [
        ("a.png", b"no picture", "cannot be read as a picture"),
        ("a.png", png()[:-30], "cannot be read as a picture"),
        ("a.mp4", png(), "cannot be read as a film"),
        ("a.wav", b"RIFF", "cannot be read as a sound"),
        ("a.txt", b"\xff\xfe\x00", "not text in UTF-8"),
        ("a.html", b"<script>", "of no kind that is read here"),
        ("../../a", b"", "of no kind that is read here"),
        ("a.yaml", b"x" * 1100000, "at most 1048576 of text"),
    ],
)
def test_an_upload_that_cannot_be_decoded_is_refused_in_one_line(server, name, data, line):
    answer = upload(server, data, name)
    assert answer.status_code == 422
    assert line in answer.json()["error"]
    assert str(server.out) not in answer.json()["error"]


def test_what_interrupted_uploads_left_is_removed_when_the_server_starts(tmp_path):
    room = tmp_path / "uploads" / ".0a0b-a.png-x.part"
    room.mkdir(parents=True)
    (room / "a.png").write_bytes(b"half")
    with serving(FAKE, tmp_path) as restarted:
        assert upload(restarted, png(), "a.png").status_code == 201
        assert not room.exists()


def test_an_upload_that_declares_too_many_pixels_is_refused_and_leaves_nothing(server):
    bomb = io.BytesIO()
    Image.new("P", (10_000, 10_000)).save(bomb, "GIF")
    before = set((server.out / "uploads").glob("*")) | set((server.out / "uploads").glob(".*"))
    answer = upload(server, bomb.getvalue(), "bomb.gif")
    assert answer.status_code == 422
    assert "'bomb.gif' is 10000x10000: at most 64 million pixels" in answer.json()["error"]
    assert set((server.out / "uploads").glob("*")) | set((server.out / "uploads").glob(".*")) == before


def test_an_upload_has_a_largest_size(tmp_path):
    with serving(FAKE, tmp_path, "--largest-upload", 1) as small:
        answer = upload(small, png() + b"\0" * 1_100_000, "a.png")
        assert answer.status_code == 413

        def endless():
            for _ in range(40):
                yield b"\0" * 100_000

        kind = {"content-type": "multipart/form-data; boundary=x"}
        with contextlib.suppress(httpx2.HTTPError):  # the server may hang up before all of it was sent
            answer = small.client.post("/api/uploads", content=endless(), headers=kind)
            assert answer.status_code in (400, 413)
        assert small.client.get("/api/jobs").status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "../outside.txt",
        "..%2Foutside.txt",
        "%2e%2e/outside.txt",
        "/etc/passwd",
        "//etc/passwd",
        "uploads/../../outside.txt",
        ".kinora/jobs.db",
        "link.txt",
        "linked/outside.txt",
        "C:\\windows",
        "a\0b",
        "",
        ".",
    ],
)
def test_nothing_outside_of_the_output_folder_is_served(server, name):
    outside = server.out.parent / "outside.txt"
    outside.write_text("secret")
    for link, target in (("link.txt", outside), ("linked", outside.parent)):
        if not (server.out / link).is_symlink():
            (server.out / link).symlink_to(target)
    answer = server.client.get(f"/api/files/{name}".replace("\0", "%00"))
    assert answer.status_code in (404, 405)
    assert "secret" not in answer.text


def test_a_file_with_a_second_name_is_not_served(server):
    """A hard link in the output folder shows what lies outside of it."""
    kept = upload(server, png(), "mine.png").json()["name"]
    os.link(server.out / kept, server.out / "uploads" / "secret.png")
    for name in (kept, "uploads/secret.png"):
        answer = server.client.get(f"/api/files/{name}")
        assert answer.status_code == 404 and "another name" in answer.json()["error"]


def test_a_preview_is_whole_while_its_job_replaces_it(queue, files):
    from fastapi.testclient import TestClient

    from ui.api import create_app

    job = queue.submit("fake", {"seed": 1})
    path = queue.folder(job.id) / "preview.webp"
    path.parent.mkdir(parents=True)
    pictures = [b"s" * 100, b"l" * 100_000]
    done = threading.Event()

    def replace():
        for picture in itertools.cycle(pictures):
            path.with_suffix(".part").write_bytes(picture)
            path.with_suffix(".part").replace(path)
            time.sleep(0.001)
            if done.is_set():
                return

    path.write_bytes(pictures[0])
    thread = threading.Thread(target=replace)
    thread.start()
    try:
        with TestClient(create_app(queue, files, None, True, 1000), base_url="http://127.0.0.1") as client:
            for _ in range(100):
                answer = client.get(f"/api/jobs/{job.id}/preview")
                assert answer.content in pictures
                assert int(answer.headers["content-length"]) == len(answer.content)
    finally:
        done.set()
        thread.join()


def test_the_head_of_a_file_is_answered(server):
    kept = upload(server, png(), "head.png").json()["name"]
    answer = server.client.head(f"/api/files/{kept}")
    assert answer.status_code == 200 and answer.content == b""
    assert int(answer.headers["content-length"]) == len(server.client.get(f"/api/files/{kept}").content)


def test_a_result_that_was_deleted_by_hand_is_one_line(server):
    job = server.wait(server.submit("fake", {})["id"])
    (server.out / job["results"][0]).unlink()
    answer = server.client.get(f"/api/jobs/{job['id']}/results/0")
    assert answer.status_code == 404
    assert "was deleted" in answer.json()["error"]


def test_the_description_of_the_routes_is_made_from_the_schemas(server):
    described = server.client.get("/api/openapi.json").json()
    for name, command in job_commands().items():
        body = described["paths"][f"/api/jobs/{name}"]["post"]["requestBody"]
        assert body["content"]["application/json"]["schema"] == json.loads(
            json.dumps(command_schema(command))
        )
    commands = {one["name"]: one for one in server.client.get("/api/commands").json()}
    files = {"prompts", "image", "last_image", "keyframe", "extend"}
    assert set(commands["i2v"]["files"]) == files


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 403),
        ({"host": "127.0.0.1.evil.example"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({}, 201),
    ],
)
def test_pages_of_other_sites_are_kept_out(server, headers, status):
    assert server.client.post("/api/jobs/fake", json={}, headers=headers).status_code == status


def test_others_need_user_and_password(tmp_path):
    refused = subprocess.run(
        [*FAKE, "--out", str(tmp_path), "--host", "0.0.0.0"], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "give user and password" in refused.stderr
    env = {**os.environ, "KINORA_USER": "ada", "KINORA_PASSWORD": "löve"}
    with serving(FAKE, tmp_path, "--host", "0.0.0.0", env=env) as server:
        url = f"http://127.0.0.1:{server.port}/api/jobs"
        asked = httpx2.get(url)
        assert (asked.status_code, asked.headers["www-authenticate"][:5]) == (401, "Basic")
        assert httpx2.get(url, auth=("ada", "wrong")).status_code == 401
        assert httpx2.get(url, auth=("eve", "löve")).status_code == 401
        assert httpx2.get(url, headers={"authorization": "Basic !!!"}).status_code == 401
        assert httpx2.get(url, auth=("ada", "löve")).status_code == 200
        key = {"authorization": "Bearer löve".encode()}
        assert httpx2.get(url, headers=key).status_code == 200


def test_two_servers_on_one_port_or_one_database_are_refused_in_one_line(server, tmp_path):
    for flags, line in (
        (["--out", tmp_path, "--port", server.port], "cannot be used"),
        (["--out", server.out, "--port", 0], "is in use by another server"),
    ):
        words = [*FAKE, *map(str, flags)]
        second = subprocess.run(words, capture_output=True, text=True, check=False)
        assert second.returncode == 2
        assert line in second.stderr
        assert second.stderr.count("\n") == 1


def test_a_database_that_cannot_be_used_is_refused_in_one_line_and_nothing_is_made(tmp_path, monkeypatch):
    from ui.server import serve
    from ui.settings import ServerSettings

    room = tmp_path / "room"
    room.mkdir()
    (room / "notes.txt").write_text("mine" * 500)
    os.mkfifo(room / "pipe")
    with contextlib.closing(sqlite3.connect(room / "other.db")) as other:
        other.execute("CREATE TABLE jobs (mine TEXT)")
    with contextlib.closing(sqlite3.connect(room / "newer.db")) as newer:
        newer.execute("PRAGMA user_version = 99")
    monkeypatch.chdir(room)
    before = {path.name: path.stat().st_size for path in room.iterdir()}
    for database, line in (
        (".", r"\. is no file"),
        ("..", r"\.\. is no file"),
        ("/", "/ is no file"),
        ("pipe", "pipe is no file"),
        ("/dev/null", "/dev/null is no file"),
        ("/proc/x/y", "/proc/x/y cannot be used as a database of jobs"),
        ("notes.txt", "notes.txt cannot be used as a database of jobs: file is not a database"),
        ("notes.txt/jobs.db", "notes.txt/jobs.db cannot be used as a database of jobs"),
        ("other.db", "other.db is a database of another program"),
        ("newer.db", "newer.db is of version 99"),
    ):
        settings = ServerSettings(out=tmp_path / "outputs", port=0, database=Path(database))
        with pytest.raises(InputError, match=line) as refused:
            serve(settings)
        assert "\n" not in str(refused.value)
    assert {path.name: path.stat().st_size for path in room.iterdir()} == before


def test_a_lock_that_cannot_be_made_is_no_lock_that_somebody_holds(tmp_path):
    from ui.jobs.database import Lock

    (tmp_path / "jobs.db.server").mkdir()
    with pytest.raises(InputError, match="server cannot be used as a lock"):
        Lock(tmp_path / "jobs.db", "server", 60, "taken")
    with Lock(tmp_path / "jobs.db", "worker", 0, "taken"), pytest.raises(InputError, match="taken"):
        Lock(tmp_path / "jobs.db", "worker", 0.1, "taken")


def test_a_killed_server_loses_nothing_and_makes_nothing_twice(tmp_path):
    out = tmp_path / "outputs"
    server = Server(FAKE, out)
    jobs = [server.submit("fake", {"prompt": str(n), "steps": 10, "pace": 0.03})["id"] for n in range(4)]
    server.wait(jobs[1], "running")
    server.kill()
    with serving(FAKE, out) as again:
        for id in jobs:
            assert again.wait(id)["state"] == "done"
        results = sorted(path.name for path in out.glob("*.txt"))
        assert [name[: len(jobs[0])] for name in results] == sorted(jobs)
    server.close()


def test_ctrl_c_ends_server_and_worker_and_the_job_goes_on_later(tmp_path):
    first = Server(FAKE, tmp_path)
    job = first.submit("fake", {"steps": 40, "pace": 0.05})["id"]
    first.wait(job, "running")
    os.killpg(first.process.pid, signal.SIGINT)
    assert first.process.wait(20) == 130
    assert first.process.stderr.read().splitlines()[-1] == "kinora: interrupted"
    with serving(FAKE, tmp_path) as again:
        assert again.wait(job)["state"] == "done"
    first.close()


def connect(server, request=b""):
    """A connection that has sent something."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=5)
    connection.sendall(request.replace(b"\n", b"\r\n"))
    return connection


@pytest.mark.parametrize("interrupts", [1, 2])
def test_an_interrupted_server_says_so_and_nothing_else(tmp_path, interrupts):
    """What is under way: a stream, half of an upload, and what a probe for websockets left."""
    with serving(FAKE, tmp_path) as server:
        stream = connect(server, b"GET /api/events HTTP/1.1\nHost: 127.0.0.1\n\n")
        half = b"Content-Length: 99\nContent-Type: multipart/form-data; boundary=x\n\n--x"
        upload = connect(server, b"POST /api/uploads HTTP/1.1\nHost: 127.0.0.1\n" + half)
        probe = connect(
            server, b"GET /api/jobs HTTP/1.1\nHost: 127.0.0.1\nConnection: Upgrade\nUpgrade: websocket\n\n"
        )
        with stream, upload, probe:
            assert b"200 OK" in probe.recv(100) and b"200 OK" in stream.recv(100)
            for _ in range(interrupts):
                os.killpg(server.process.pid, signal.SIGINT)
                time.sleep(0.5)
            assert server.process.wait(20) == 130
        assert server.process.stderr.read() == "kinora: interrupted\n"


def test_connections_beyond_a_number_are_closed_and_said_once(tmp_path):
    """The others are served, and files can still be opened."""
    few = ["sh", "-c", 'ulimit -n 64; exec "$0" "$@"', *FAKE]
    with serving(few, tmp_path) as server, contextlib.ExitStack() as stack:
        job = server.submit("fake", {"seed": 1})["id"]
        for _ in range(200):
            stack.enter_context(connect(server))
        assert server.wait(job)["state"] == "done"  # over the connection that was there before
        stack.close()
        until = time.monotonic() + 5
        while time.monotonic() < until:
            with contextlib.suppress(httpx2.TransportError):
                if httpx2.get(f"{server.address}/api/jobs").status_code == 200:
                    break
        os.killpg(server.process.pid, signal.SIGINT)
        assert server.process.wait(20) == 130
        lines = server.process.stderr.read().splitlines()
    assert sorted(lines) == [
        "kinora: 16 connections are open, and no more are taken: close some",
        "kinora: interrupted",
        "kinora: seed 1",
    ]


def test_a_connection_that_asks_for_nothing_is_closed_and_one_that_waits_is_not(monkeypatch):
    import uvicorn

    from ui import listener, quiet

    monkeypatch.setattr(quiet, "SILENCE", 0.5)

    async def slow(scope, receive, send):
        await asyncio.sleep(1.5)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    address = listener.listen("127.0.0.1", 0)
    config = uvicorn.Config(slow, lifespan="off", log_level="warning", timeout_graceful_shutdown=1)
    server = quiet.QuietServer(config)
    thread = threading.Thread(target=server.run, args=([address],))
    thread.start()
    reached = SimpleNamespace(port=address.getsockname()[1])
    try:
        silent, half = connect(reached), connect(reached, b"GET / HT")
        asking = connect(reached, b"GET / HTTP/1.1\nHost: 127.0.0.1\n\n")
        with silent, half, asking:
            assert silent.recv(10) == half.recv(10) == b""
            assert b"204" in asking.recv(100)
    finally:
        server.should_exit = True
        thread.join(10)
    assert not thread.is_alive()


def test_what_can_be_repeated_at_will_is_logged_once_a_minute(monkeypatch, capfd):
    from ui import quiet

    now = [0.0]
    monkeypatch.setattr(quiet.time, "monotonic", lambda: now[0])
    errors, logs = quiet.LoopErrors(), quiet.LogFilter()
    refused = {"message": "accept() failed", "exception": OSError(errno.EMFILE, "Too many open files")}
    invalid = logging.makeLogRecord({"msg": "Invalid HTTP request received."})
    passed = []
    for now[0] in (0.0, 1.0, 59.0, 61.0, 100.0):
        errors(None, refused)
        passed.append(logs.filter(invalid))
    assert passed == [True, False, False, True, False]
    assert capfd.readouterr().err == "kinora: accept() failed: Too many open files\n" * 2


def test_a_worker_that_dies_fails_its_job_and_no_other(server):
    import psutil

    job = server.submit("fake", {"steps": 1000, "pace": 0.05})["id"]
    after = server.submit("fake", {})["id"]
    server.wait(job, "running")
    for child in psutil.Process(server.process.pid).children():
        child.kill()
    failed = server.wait(job)
    assert failed["state"] == "failed"
    assert "most likely memory ran out" in failed["error"]
    assert server.wait(after)["state"] == "done"


def test_the_same_ticket_gives_the_same_job(server):
    headers = {"Idempotency-Key": "once"}
    threads = [threading.Thread(target=lambda: server.submit("fake", {}, headers=headers)) for _ in range(8)]
    before = len(server.client.get("/api/jobs").json())
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(server.client.get("/api/jobs").json()) == before + 1
