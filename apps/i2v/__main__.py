"""`python -m apps.i2v`: the same as `kinora i2v`, without `--rewrite`."""

import sys

from apps.i2v.cli import main
from shared.console import run

sys.exit(run(main, sys.argv[1:]))
