"""A server that speaks OpenAI's protocol, well or badly: the name of the model says how. Prints its port."""

import contextlib
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = "secret"
GOOD = "Three orange cats sleep on a roof."
busy = {}


def event(text="", reason=None):
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": reason}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def good(handler, body):
    handler.begin("text/event-stream")
    for word in GOOD.split(" "):
        handler.wfile.write(event(word + " "))
    handler.wfile.write(event(reason="stop") + b'data: {"choices": []}\n\n' + b"data: [DONE]\n\n")


def whole(handler, body):
    handler.begin("application/json")
    choice = {"message": {"role": "assistant", "content": GOOD}, "finish_reason": "stop"}
    handler.wfile.write(json.dumps({"choices": [choice]}).encode())


def revised(handler, body):
    """Loses the number first, and repairs it when it is told."""
    handler.begin("text/event-stream")
    first = (
        len([m for m in body["messages"] if m["role"] == "assistant"])
        == len([m for m in body["messages"] if m["role"] == "user"]) - 1
        and "differences" not in body["messages"][-1]["content"]
    )
    handler.wfile.write(event("Orange cats sleep on a roof." if first else GOOD, "stop"))


def keyed(handler, body):
    if handler.headers.get("authorization") != f"Bearer {KEY}":
        handler.send_error(401)
    else:
        good(handler, body)


def once_busy(handler, body):
    busy["tries"] = busy.get("tries", 0) + 1
    if busy["tries"] < 2:
        handler.send_error(503)
    else:
        good(handler, body)


def always_busy(handler, body):
    handler.send_error(429)


def garbage(handler, body):
    handler.begin("text/html")
    handler.wfile.write(b"<html>\x00\x1b[2J It works! </html>")


def odd(handler, body):
    handler.begin("application/json")
    handler.wfile.write(b'{"choices": [{"message": ["not", "text"]}]}')


def half(handler, body):
    handler.begin("text/event-stream")
    handler.wfile.write(event("Three orange ") + b'data: {"choices": [{"delta": {"cont')


def stopped(handler, body):
    """Ends after a whole event, without saying that it is done."""
    handler.begin("text/event-stream")
    handler.wfile.write(event("Three orange "))


def endless(handler, body):
    handler.begin("text/event-stream")
    while True:
        handler.wfile.write(event("and more " * 50))


def one_line(handler, body):
    """An endless line, which never becomes an event."""
    handler.begin("text/event-stream")
    while True:
        handler.wfile.write(b"data: " + b"x" * 65536)


def slow(handler, body):
    """A word now and then, for ever."""
    handler.begin("text/event-stream")
    for _ in range(100):
        handler.wfile.write(event("word "))
        time.sleep(0.1)


def silent(handler, body):
    time.sleep(10)


def empty(handler, body):
    handler.begin("text/event-stream")
    handler.wfile.write(event(" ", "stop"))


def cut(handler, body):
    handler.begin("text/event-stream")
    handler.wfile.write(event("Three orange", "length"))


class Handler(BaseHTTPRequestHandler):
    def begin(self, kind):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.end_headers()

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        behave = globals().get(body["model"].replace("-", "_"))
        if self.path != "/v1/chat/completions" or not callable(behave):
            self.send_error(404, "no such model")
            return
        with contextlib.suppress(OSError):  # the other side had enough
            behave(self, body)

    def log_message(self, *about):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    sys.exit(server.serve_forever())
