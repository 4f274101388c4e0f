"""What a training step frees stays with the process, so that the next one need not fetch it from the system."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
import psutil
import torch
from foundation.training.metrics import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()
before = psutil.Process().memory_info().rss
torch.ones(50_000_000)
print(psutil.Process().memory_info().rss - before)
"""


def held_after_freeing(how):
    """Bytes by which a process has grown after a buffer of 200 MB came and went."""
    return int(subprocess.check_output([sys.executable, "-c", PROGRAM, how], text=True))


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's habit")
def test_a_freed_buffer_stays_with_the_process():
    assert held_after_freeing("given back") < 50e6
    assert held_after_freeing("kept") > 150e6
