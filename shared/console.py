"""The one place that talks to the person at the terminal.

Results (paths, receipts, tables) go to standard output, everything else to standard error, so that a pipe
carries results only. What a run adjusts is said aloud with `note`; `run` turns exceptions into exit codes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Callable, Generator, Mapping, Sequence

from shared.errors import InputError, KinoraError, ResourceError, quoted
from shared.interrupts import ended_by_second_interrupt

PROGRAM = "kinora"
INTERRUPTED = 130


def result(text: str) -> None:
    """Print what the command was asked for, on standard output.

    Raises:
        ResourceError: It takes nothing more: a full disk.
        BrokenPipeError: Nobody reads it any more.
    """
    with _output():
        print(text, flush=True)


@contextlib.contextmanager
def _output() -> Generator[None]:
    """Standard output is written in the block; once that failed, Python must not try again when it ends."""
    try:
        yield
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise
        raise ResourceError(f"standard output cannot be written: {error.strerror}") from error


def note(text: str) -> None:
    """Say aloud what was adjusted, chosen or left out, one line on standard error."""
    _tell(f"{PROGRAM}: {text}")


def _tell(line: str) -> None:
    """Print on standard error; where nobody takes it, the work goes on."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """A stranger's text with everything that could steer a terminal written as an escape."""
    return "".join(char if char.isprintable() or char in "\n\t" else f"\\u{ord(char):04x}" for char in text)


def overview(usage: str, entries: Mapping[str, str], about: str = "", after: str = "") -> str:
    """What `--help` prints where a name comes first on the command line.

    Args:
        usage: The form of the command line.
        entries: Name -> its line of help.
        about: What they are for.
        after: Where to read on.
    """
    width = max(map(len, entries)) + 2
    lines = "\n".join(f"  {name:<{width}}{line}" for name, line in entries.items())
    return "\n\n".join(part for part in (f"usage: {usage}", about, lines, after) if part)


class Progress:
    """A bar with rate and time left, advanced by whoever does the work."""

    def __init__(self, total: int, label: str) -> None:
        from tqdm import tqdm  # takes 0.1 s, which `--help` shall not pay

        self._bar = tqdm(total=total, desc=label, unit="step", file=sys.stderr, disable=None, leave=False)

    def advance(self, steps: int = 1) -> None:
        """Count finished steps."""
        self._bar.update(steps)

    def close(self) -> None:
        """Remove the bar from the terminal."""
        self._bar.close()


@contextlib.contextmanager
def progress(total: int, label: str) -> Generator[Progress]:
    """Show a progress bar while the block runs; nothing is drawn where there is no terminal."""
    bar = Progress(total, label)
    try:
        yield bar
    finally:
        bar.close()


def run(command: Callable[[list[str]], int | None], argv: Sequence[str]) -> int:
    """Run a command and return its exit code: 0 done, 1 our fault, 2 bad input, 3 a failed check, 130 Ctrl-C.

    `--debug` anywhere before a lone `--` is taken out of `argv` and shows the trace of an error.
    """
    words = list(argv)
    end = words.index("--") if "--" in words else len(words)
    debug = "--debug" in words[:end]
    words = [word for place, word in enumerate(words) if place >= end or word != "--debug"]
    _open_missing_streams()
    let_threads_sleep()
    try:
        with ended_by_second_interrupt(INTERRUPTED, _say_stopping):
            code = command(words) or 0
        with _output():
            sys.stdout.flush()
    except KinoraError as error:
        _complain(str(error), debug)
        return error.exit_code
    except KeyboardInterrupt:
        _complain("interrupted", debug)
        return INTERRUPTED
    except BrokenPipeError:
        return 0  # the reader has what it wanted (`kinora show clip.mp4 | head`)
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            _complain(f"{quoted(str(error.filename))} is longer than the system takes", debug)
            return InputError.exit_code
        hint = "" if debug else " (a fault of Kinora's own; --debug shows where)"
        _complain(f"{type(error).__name__}: {error}{hint}", debug)
        return 1
    return code


def let_threads_sleep() -> None:
    """Let OpenMP's idle threads sleep, before torch is loaded: they spin otherwise and starve whatever else runs.

    What the user has set stays as it is.
    """
    if "GOMP_SPINCOUNT" not in os.environ:
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def _say_stopping() -> None:
    _tell(f"{PROGRAM}: stopping; Ctrl-C again ends at once")


def _complain(message: str, debug: bool) -> None:
    if debug:
        _tell(traceback.format_exc().rstrip())
    line = printable(" ".join(message.split()))
    _tell(f"{PROGRAM}: {line}" if line == "interrupted" else f"{PROGRAM}: error: {line}")


def _open_missing_streams() -> None:
    """Open what the shell closed (`kinora ... >&-`), so that no file of ours gets the number of a standard stream."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)
