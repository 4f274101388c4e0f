"""Model folders with random weights at tiny width, and copies of the process to kill."""

import multiprocessing

import pytest
import torch
from tiny_folders import model_folder, starter_folder

__all__ = ["forked", "model_folder", "starter_folder"]


@pytest.fixture
def forked():
    """Runs a function in a copy of this process and gives its exit status; the copy is killed after some seconds."""

    def run(function, seconds=60.0):
        process = multiprocessing.get_context("fork").Process(target=alone, args=(function,))
        process.start()
        process.join(seconds)
        process.kill()
        process.join()
        return process.exitcode

    def alone(function):
        torch.set_num_threads(1)  # the other threads were not copied, and torch would wait for them
        function()

    return run
