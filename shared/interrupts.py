"""Ctrl-C: the first asks the run to stop, the second ends the process at once and leaves no file behind."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
from collections.abc import Callable, Generator

PATIENCE = 1.0
"""Seconds after the first Ctrl-C before the user is told that a second one ends the process."""

_CLEANUPS: list[Callable[[], None]] = []
"""What is still to be done before the process ends, whatever ends it but SIGKILL."""

_CLEANING = threading.RLock()
"""Held while something is cleaned up, so that the process does not end in the middle of it."""


@contextlib.contextmanager
def cleaned_up(cleanup: Callable[[], None]) -> Generator[None]:
    """Call a function when the block ends, and when a second Ctrl-C ends the process."""
    _CLEANUPS.append(cleanup)
    try:
        yield
    finally:
        with _CLEANING:  # interrupted in here, it stays in the list and is done by who ends the process
            cleanup()
            _CLEANUPS.remove(cleanup)


@contextlib.contextmanager
def ended_by_second_interrupt(
    exit_code: int, on_wait: Callable[[], None], end: Callable[[int], None] = os._exit
) -> Generator[None]:
    """End the process at a second SIGINT while the block runs, even inside a long step of native code.

    Python's own handlers wait until such a step returns. The interpreter writes every signal's number to a pipe at
    once; a thread reads it.

    Args:
        exit_code: of a process that is ended.
        on_wait: called by the thread when the process has not ended some time after the first SIGINT.
        end: ends the process.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    thread = threading.Thread(target=_watch, args=(reader, exit_code, on_wait, end), daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writer)
        thread.join(timeout=1)
        os.close(reader)


def leave_interrupts_to_others() -> None:
    """Stop watching: a server counts its interrupts itself, and raises them again when it has shut down."""
    signal.set_wakeup_fd(-1)


def _watch(reader: int, exit_code: int, on_wait: Callable[[], None], end: Callable[[int], None]) -> None:
    interrupts, patience = 0, None
    while True:
        if not select.select([reader], [], [], patience)[0]:
            on_wait()
            patience = None
            continue
        numbers = os.read(reader, 64)
        if not numbers:
            return
        interrupts += numbers.count(signal.SIGINT)
        patience = PATIENCE if interrupts == 1 else None
        if interrupts >= 2:
            with _CLEANING:
                for cleanup in reversed(_CLEANUPS):
                    with contextlib.suppress(Exception):
                        cleanup()
            end(exit_code)
