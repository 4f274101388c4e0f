"""The worker with the fake command in its table."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import fake_commands  # noqa: F401

from ui.jobs.worker import main

if __name__ == "__main__":
    main(sys.argv[1:])
