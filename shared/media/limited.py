"""A user's medium decoded once by a process that may fail: what ends it, or what it takes too much of, costs one file.

The process runs this module, imports decoders and nothing else, and answers file after file, so that its start is
paid once. One that ended is started again for the next file.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from shared.errors import InputError, KinoraError
from shared.media.limits import MOST_AT_ONCE, MOST_MEMORY, MOST_PATIENCE

_LONGEST_ANSWER = 1 << 16
_PROGRAM = (sys.executable, "-P", "-m", "shared.media.limited")
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def check_medium(path: Path) -> None:
    """Decode a film, a sound, a picture or a folder of PNGs to its end, in a process with limits (`limits.py`).

    Args:
        path: The suffix says whether it is a film or a sound; everything else is taken for a picture.

    Raises:
        InputError: It is damaged, missing, beyond a limit, or ends the process that decodes it.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist")
    decoder = _idle.get()
    try:
        decoder.check(path)
    finally:
        _idle.put(decoder)


class Decoder:
    """A process that decodes one file after the other.

    Attributes:
        patience: Seconds for each.
    """

    def __init__(self, patience: float = MOST_PATIENCE) -> None:
        self.patience = patience
        self._process: subprocess.Popen[bytes] | None = None

    def check(self, path: Path) -> None:
        """Have a file decoded; see `check_medium`."""
        process = self._running()
        timer = threading.Timer(self.patience, process.kill)
        begun = time.monotonic()
        timer.start()
        try:
            answer = _ask(process, str(path.absolute()))
        except BaseException:
            self.end()
            raise
        finally:
            timer.cancel()
        if answer is None:
            late = time.monotonic() - begun >= self.patience
            raise InputError(f"{path} cannot be decoded: {_describe_end(process.wait(), late)}")
        if answer:
            raise InputError(answer.replace(str(path.absolute()), str(path)))

    def end(self) -> None:
        """End the process, whatever it does."""
        if self._process is not None:
            with self._process as process:
                process.kill()
            self._process = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.end()
            self._process = subprocess.Popen(
                _PROGRAM,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **_ONE_THREAD},
                start_new_session=True,  # Ctrl-C is for who asked
            )
        return self._process


_idle: queue.LifoQueue[Decoder] = queue.LifoQueue()
"""Who asks takes the one that answered last, so that one after the other needs one process."""

for _decoder in [Decoder() for _ in range(MOST_AT_ONCE)]:
    _idle.put(_decoder)
    atexit.register(_decoder.end)


def _ask(process: subprocess.Popen[bytes], question: str) -> str | None:
    """A line for a line, in JSON; None where the process ended."""
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(json.dumps(question).encode() + b"\n")
        process.stdin.flush()
        line = process.stdout.readline(_LONGEST_ANSWER)
    except BrokenPipeError:
        return None
    return str(json.loads(line)) if line.endswith(b"\n") else None


def _describe_end(code: int, late: bool) -> str:
    """Why a decoder ended."""
    if late or (os.name == "posix" and code == -signal.SIGXCPU):
        return f"it takes longer than {MOST_PATIENCE} s; make it shorter or smaller first"
    if code >= 0:
        return f"its decoder ended with exit code {code}"
    return f"its decoder was ended by {signal.Signals(-code).name}"


# -- in the process that decodes ---------------------------------------------------------------------------


def main() -> None:
    """Answer every line of standard input, a path, with what is wrong with that file: nothing, or one line."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    for line in sys.stdin:
        _limit_process()
        print(json.dumps(_complaint(Path(json.loads(line)))), file=answers, flush=True)


def _limit_process() -> None:
    """Bound memory, the processor's time from now on, and write nothing; where the system has no such limits, none."""
    try:
        import resource
    except ImportError:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(used.ru_utime + used.ru_stime)
    bounds = {
        resource.RLIMIT_DATA: MOST_MEMORY,
        resource.RLIMIT_CPU: spent + MOST_PATIENCE,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for kind, most in bounds.items():
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _complaint(path: Path) -> str:
    try:
        _decode(path)
    except KinoraError as error:
        return str(error)
    except MemoryError:
        return f"{path} cannot be decoded: it takes more than {MOST_MEMORY / (1 << 30):g} GiB of memory"
    return ""


def _decode(path: Path) -> None:
    from shared.media.film import look_through, picked
    from shared.media.picture import read_png, read_png_folder
    from shared.media.sound import SOUND_DEMUXERS, read_sound
    from shared.media.video import DEMUXERS

    suffix = path.suffix.lower()
    if path.is_dir():
        read_png_folder(path)
    elif suffix in DEMUXERS:
        look_through(path)
        next(picked(path, [0]))
        with contextlib.suppress(InputError):  # said by who needs the sound
            read_sound(path)
    elif suffix in SOUND_DEMUXERS:
        if read_sound(path) is None:
            raise InputError(f"{path} holds no sound")
    else:
        read_png(path)


if __name__ == "__main__":
    main()
