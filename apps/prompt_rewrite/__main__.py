"""`python -m apps.prompt_rewrite`: the same as `kinora rewrite`."""

import sys

from apps.prompt_rewrite.cli import main
from shared.console import run

sys.exit(run(main, sys.argv[1:]))
