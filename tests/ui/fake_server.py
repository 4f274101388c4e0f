"""`kinora serve` with the fake command in its table."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import fake_commands  # noqa: F401

from shared.console import run
from ui.server import read, serve

WORKER = [sys.executable, str(Path(__file__).with_name("fake_worker.py"))]

if __name__ == "__main__":
    sys.exit(run(lambda argv: serve(read(argv, "fake", ""), worker_program=WORKER), sys.argv[1:]))
