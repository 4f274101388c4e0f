"""Strangers' requests: whatever they say, the answer is one line, and nothing appears outside the output folder."""

import json
import random
import socket

import pytest
from servers import FAKE, serving

COUNT = 300
PATHS = (
    "/api/jobs/fake", "/api/jobs/t2v", "/api/jobs/i2v", "/api/jobs/v2a", "/api/jobs/rewrite", "/api/jobs/nope",
    "/api/jobs", "/api/jobs/x", "/api/jobs/x/cancel", "/api/jobs/x/move", "/api/jobs/x/results/0",
    "/api/jobs/x/results/99999999999999999999", "/api/jobs/x/events", "/api/jobs/x/preview", "/api/uploads",
    "/api/files/", "/api/files/..", "/api/files/../../../../etc/passwd", "/api/files/%00", "/api/files/%ff%fe",
    "/api/files/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/api/files/.kinora/jobs.db", "/api/commands", "/v1/models",
    "/v1/models/x", "/v1/chat/completions", "/api/openapi.json", "/", "/nowhere", "/" + "a" * 5000,
)  # fmt: skip
METHODS = ("GET", "POST", "POST", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "BREW")
KINDS = (
    "application/json",
    "text/plain",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "",
    "\xff",
)
NAMES = (
    "prompt", "steps", "seed", "size", "frames", "image", "keyframe", "out", "lora", "model", "video", "mode",
    "messages", "stream", "place", "prompts", "batch", "url", "key", "collect", "_target_", "__class__",
)  # fmt: skip
VALUES = (
    None, True, 0, -1, 10**30, 1e308, float("nan"), float("inf"), "", "a", "../../x", "/etc/passwd", "\0", "\ud800",
    "x" * 10000, [], [[]], {}, {"a": {}}, ["uploads/x.png"], "1=../x.png", "0x0", "64x64", "99999999999999x1",
    [{"role": "user", "content": "a"}], [{"role": "user"}], "auto", "server", "http://127.0.0.1:9",
)  # fmt: skip


def a_body(rng):
    """A body: a mapping of odd values, or no JSON at all."""
    choice = rng.random()
    if choice < 0.6:
        mapping = {rng.choice(NAMES): rng.choice(VALUES) for _ in range(rng.randrange(5))}
        return json.dumps(mapping).encode()
    if choice < 0.7:
        return json.dumps(rng.choice(VALUES)).encode()
    if choice < 0.8:
        return b"[" * 50_000
    if choice < 0.9:
        file = b'Content-Disposition: form-data; name="file"; filename="../../../x.png"'
        return b"--x\r\n" + file + b"\r\n\r\n" + rng.randbytes(50) + rng.choice((b"", b"\r\n--x--\r\n"))
    return rng.randbytes(rng.randrange(200))


def a_request(rng):
    """A request as bytes."""
    path, method, body = rng.choice(PATHS), rng.choice(METHODS), a_body(rng)
    length = len(body) if rng.random() < 0.95 else rng.choice((10**12, 3, "x", -1))
    headers = [
        f"Host: {rng.choice(('127.0.0.1', '127.0.0.1', '127.0.0.1', 'localhost:1', 'evil.example', '[', ''))}",
        f"Content-Type: {rng.choice(KINDS)}",
        f"Content-Length: {length}",
        f"Idempotency-Key: {rng.choice(('', 'a', 'x' * 500, chr(0xE9)))}",
        f"Authorization: {rng.choice(('Basic !!', 'Bearer', 'x'))}",
        f"Last-Event-ID: {rng.choice(('-1', 'x', '9' * 40))}",
        f"Range: {rng.choice(('bytes=0-', 'bytes=-1', 'bytes=9-1', 'bytes=0-1,2-3,x', 'x'))}",
        "Connection: close",
    ]
    query = rng.choice(("", "?after=-1", "?after=99999999999999999999", "?state=x", "?%ff"))
    head = "\r\n".join([f"{method} {path}{query} HTTP/1.1", *rng.sample(headers, len(headers))])
    return head.encode("latin-1") + b"\r\n\r\n" + body


def answer_to(port, request):
    """What comes back on a connection of its own, all of it or its beginning."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        received = b""
        try:
            connection.sendall(request)
            while len(received) < 100_000 and (more := connection.recv(65536)):
                received += more
                if b"text/event-stream" in received:
                    break
        except (TimeoutError, ConnectionError):
            pass  # it waits for a body that does not come, or has hung up
        return received


@pytest.mark.slow
def test_malformed_requests_get_one_line_and_leave_nothing_behind(tmp_path):
    rng = random.Random(9)
    out = tmp_path / "served" / "outputs"
    with serving(FAKE, out) as server:
        for number in range(COUNT):
            request = a_request(rng)
            answer = answer_to(server.port, request)
            head, _, body = answer.partition(b"\r\n\r\n")
            about = f"request {number}: {request[:300]!r} got {answer[:300]!r}"
            assert not head or head.startswith(b"HTTP/1.1 "), about
            status = int(head.split()[1]) if head else 0
            assert status < 500, about
            assert b"Traceback" not in answer, about
            assert b"root:" not in answer, about
            assert str(tmp_path).encode() not in answer, about
            if status >= 400 and b"application/json" in head and not request.startswith(b"HEAD"):
                said = json.loads(body)["error"]
                assert "\n" not in (said if isinstance(said, str) else said["message"]), about
        assert server.client.get("/api/jobs").status_code == 200
        assert server.process.poll() is None
        server.kill()
        complaints = server.process.stderr.read()
    assert "Traceback" not in complaints, complaints
    assert [path.name for path in tmp_path.iterdir()] == ["served"]
    assert [path.name for path in (tmp_path / "served").iterdir()] == ["outputs"]
