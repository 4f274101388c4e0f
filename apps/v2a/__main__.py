"""`python -m apps.v2a`: the same as `kinora v2a`."""

import sys

from apps.v2a.cli import main
from shared.console import run

sys.exit(run(main, sys.argv[1:]))
