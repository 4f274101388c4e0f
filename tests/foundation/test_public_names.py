"""The package root."""

import subprocess
import sys

import foundation


def test_every_public_name_is_there():
    for name in foundation.__all__:
        assert callable(getattr(foundation, name)), name


def test_importing_the_root_loads_nothing_heavy():
    code = "import sys, foundation; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
