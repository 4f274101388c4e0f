"""Ctrl-C: the first lets the run stop, the second ends the process inside a long step and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time

import pytest

from shared.interrupts import cleaned_up

LONG_STEP = """
import ctypes, sys
from pathlib import Path
from shared.console import run
from shared.media.files import replacing

def command(argv):
    with replacing(Path(argv[0])) as path:
        path.write_text("half")
        print("working", flush=True)
        ctypes.CDLL(None).sleep(60)  # native code: Python's handlers wait until it returns
        ctypes.CDLL(None).sleep(60)

sys.exit(run(command, sys.argv[1:]))
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_second_interrupt_ends_a_long_step_and_leaves_no_file(tmp_path):
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            LONG_STEP.replace(".sleep(60)", ".usleep(60000000)"),
            str(tmp_path / "out.txt"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "working\n"
    # usleep returns at a signal: both interrupts come while the handler of the first has not run yet.
    process.send_signal(signal.SIGSTOP)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGCONT)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert list(tmp_path.iterdir()) == []
    assert "Traceback" not in said


def test_what_is_to_be_cleaned_up_is_done_once_however_the_block_ends():
    done = []
    with pytest.raises(KeyError), cleaned_up(lambda: done.append("once")):
        raise KeyError
    assert done == ["once"]
