"""`python -m apps.film`: the same as `kinora film`."""

import sys

from apps.film.cli import main
from shared.console import run

sys.exit(run(main, sys.argv[1:]))
