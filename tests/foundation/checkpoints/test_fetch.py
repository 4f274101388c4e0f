"""`kinora models get` against a hub of our own on this machine."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

REVISION = "cd" * 20


class Hub(BaseHTTPRequestHandler):
    """As much of the hub's protocol as fetching a public model takes."""

    files: ClassVar[dict] = {}
    lie = False

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body=False):
        path = self.path.split("?")[0]
        if path.startswith("/api/models/some/model"):
            siblings = [
                {
                    "rfilename": name,
                    "size": len(data),
                    "blobId": hashlib.sha1(data).hexdigest(),
                    **({"lfs": self.lfs(data)} if name.endswith(".safetensors") else {}),
                }
                for name, data in self.files.items()
            ]
            if "/tree/" in path:
                siblings = [
                    {"type": "file", "path": s["rfilename"], "size": s["size"], "oid": s["blobId"]}
                    for s in siblings
                ]
                return self.send(json.dumps(siblings).encode(), {}, body)
            return self.send(
                json.dumps({"id": "some/model", "sha": REVISION, "siblings": siblings}).encode(), {}, body
            )
        name = path.partition(f"/resolve/{REVISION}/")[2]
        if name not in self.files:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        data = self.files[name]
        headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": REVISION}
        return self.send(data, headers, body)

    def lfs(self, data):
        digest = hashlib.sha256(b"other" if self.lie else data).hexdigest()
        return {"sha256": digest, "size": len(data), "pointerSize": 130}

    def send(self, data, headers, body):
        self.send_response(200)
        for key, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, *args):
        pass


@pytest.fixture
def hub(model_folder):
    Hub.files = {
        path.relative_to(model_folder).as_posix(): path.read_bytes()
        for path in model_folder.rglob("*")
        if path.is_file()
    } | {"README.md": b"not needed", "transformer/evil.bin": b"not wanted"}
    Hub.lie = False
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def models(tmp_path, endpoint, *argv, offline="0", before=""):
    """Run `kinora models` in a process of its own, whose hub is ours."""
    environment = os.environ | {
        "HF_ENDPOINT": endpoint, "HF_HUB_OFFLINE": offline, "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(tmp_path / "hf"), "KINORA_MODELS": str(tmp_path / "models"),
        "KINORA_CACHE": str(tmp_path / "cache"), "NO_PROXY": "127.0.0.1",
    }  # fmt: skip
    script = f"{before}\nimport sys\nfrom apps.cli import main\nsys.argv[0] = 'kinora'\nsys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", script, "models", *argv], capture_output=True, text=True, env=environment
    )


@pytest.mark.slow
def test_a_model_is_fetched_checked_and_found(hub, tmp_path, model_folder):
    done = models(tmp_path, hub, "get", "some/model")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "models" / "some" / "model"
    assert done.stdout.strip() == str(folder)
    assert "to fetch into" in done.stderr
    assert "are free" in done.stderr
    for path in model_folder.rglob("*.safetensors"):
        assert (folder / path.relative_to(model_folder)).read_bytes() == path.read_bytes()
    assert not (folder / "README.md").exists()
    assert not (folder / "transformer" / "evil.bin").exists()
    assert models(tmp_path, hub, "check", "some/model").stdout.count("unchanged") == 4
    again = models(tmp_path, hub, "get", "some/model")
    assert "0.00 MB to fetch" in again.stderr

    weights = folder / "vae" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x99")
    changed = models(tmp_path, hub, "check", "some/model")
    assert changed.returncode == 3
    assert "vae/diffusion_pytorch_model.safetensors of some/model (changed)" in changed.stderr


@pytest.mark.slow
def test_a_disk_that_is_too_small_a_lie_and_a_silent_hub_are_named(hub, tmp_path):
    small = (
        "import shutil, collections\nshutil.disk_usage = lambda p: collections.namedtuple('u', 'free')(10)"
    )
    done = models(tmp_path, hub, "get", "some/model", before=small)
    assert done.returncode == 2
    assert "GB free" in done.stderr
    assert not (tmp_path / "models").exists()
    assert "the hub has no model 'other/model'" in models(tmp_path, hub, "get", "other/model").stderr
    assert "the hub cannot be asked" in models(tmp_path, hub, "get", "some/model", offline="1").stderr
    Hub.lie = True
    done = models(tmp_path, hub, "get", "some/model")
    assert done.returncode == 2
    assert "is not what was published" in done.stderr
